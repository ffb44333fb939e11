//! Capability `expr`: conditions that an operator writes in CEL, compiled when the plugin is loaded and evaluated by the
//! host. Reading and running CEL is left to the `cel` crate; which expressions it is given, and how long one may take, is
//! decided here.

mod check;
mod load;
mod value;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, LazyLock};

use cel::common::ast::IdedExpr;
use cel::{Context, Env, ExecutionError, Value};
use wasmtime::component::Resource;

use crate::bindings::penstock::plugin::expr as wit;
use crate::call::{Call, Operation, visible_header};
use crate::capabilities::interned::{Interned, Most};
use crate::fault::Overrun;
use crate::guest::Guest;
use crate::resources::CallHandle;
use check::{Standard, checked};
use load::Sizes;

/// A condition has a few lines. Reading one of this length takes 10 ms at the worst.
const LONGEST_SOURCE: usize = 4096;
/// Brackets within brackets: reading this many takes half a MiB of the stack.
const DEEPEST_SOURCE: u16 = 48;
const MOST_VARIABLES: usize = 64;
/// What a plugin may compile: 64 KiB is read in a quarter of a second at the worst, once.
const MOST: Most = Most {
    things: 256,
    bytes: 64 << 10,
    name: "expressions",
};
/// What one evaluation is given, and what it may give back, as JSON.
const LONGEST_JSON: usize = 64 << 10;
/// Longer values are no identities or flags.
pub(crate) const LONGEST_HEADER: usize = 8192;
const LONGEST_ERROR: usize = 512;

/// The expressions of one plugin.
pub type Expressions = Interned<Source, Expression>;

/// What an expression is made from.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Source {
    text: String,
    /// The names of the values that each evaluation is given.
    variables: Vec<String>,
}

/// A compiled expression.
pub struct Expression {
    tree: IdedExpr,
    variables: Vec<String>,
    /// Which facts of the call it asks for.
    standard: Vec<Standard>,
    asks_for_headers: bool,
}

/// The operators, macros and functions of the standard: no clock, no regular expressions, nothing of ours.
static LANGUAGE: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib().with_optional_support(false)));

impl Expression {
    /// Reads and checks an expression. An error names line and column, for the operator who wrote it.
    pub fn compile(source: &Source) -> Result<Expression, String> {
        if source.text.len() > LONGEST_SOURCE {
            let length = source.text.len();
            return Err(format!(
                "{length} bytes, an expression has {LONGEST_SOURCE} at most"
            ));
        }
        check::names(&source.variables, MOST_VARIABLES)?;
        let parser = LANGUAGE.parser().max_recursion_depth(DEEPEST_SOURCE);
        let read = catch_unwind(AssertUnwindSafe(|| parser.parse_with_source_info(&source.text)));
        let (tree, places) = read
            .map_err(|_| "it cannot be read".to_owned())?
            .map_err(|errors| check::first_error(&errors))?;
        let found = checked(&tree, &places, source)?;
        Ok(Expression {
            tree,
            variables: source.variables.clone(),
            standard: found.standard,
            asks_for_headers: found.asks_for_headers,
        })
    }

    /// The value for one call. Nothing of the call or the variables is in an error but names of fields.
    pub fn evaluate(&self, call: &Call, variables: &str) -> Result<Value, Failure> {
        let mut sizes = Sizes::default();
        let mut context = Context::with_env(LANGUAGE.clone());
        for (name, value) in value::read(variables, LONGEST_JSON).map_err(Failure::Variables)? {
            if !self.variables.contains(&name) {
                let why = format!("`{name}` was not named when the expression was compiled");
                return Err(Failure::Variables(shortened(why)));
            }
            sizes.set(&name, value::size(&value));
            context.add_variable_from_value(name, value);
        }
        for fact in &self.standard {
            let value = fact.of(call);
            sizes.set(fact.name(), value::size(&value));
            context.add_variable_from_value(fact.name(), value);
        }
        if load::of(&self.tree, &sizes) > load::MOST_STEPS {
            return Err(Failure::TooMuch);
        }
        if self.asks_for_headers {
            add_headers(&mut context, call)?;
        }
        let evaluated = catch_unwind(AssertUnwindSafe(|| Value::resolve(&self.tree, &context)));
        match evaluated {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(Failure::Failed(in_words(&error))),
            Err(_) => Err(Failure::Failed("it cannot be evaluated".to_owned())),
        }
    }
}

/// Why an evaluation has no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The variables are not what the expression was compiled for.
    Variables(String),
    /// With variables of this size it could take too long.
    TooMuch,
    /// It has no value for these variables.
    Failed(String),
}

/// `header("x-team")`: a request header by its name, null where there is none or where it is a credential.
fn add_headers(context: &mut Context<'_, '_>, call: &Call) -> Result<(), Failure> {
    let headers = call.headers.clone();
    let header = move |name: Arc<String>| -> Result<Value, ExecutionError> {
        match visible_header(headers.as_ref(), &name) {
            Some(value) if value.len() > LONGEST_HEADER => {
                let why = format!("its value is over {LONGEST_HEADER} bytes");
                Err(ExecutionError::function_error(check::HEADER, why))
            }
            Some(value) => Ok(value.into()),
            None => Ok(Value::Null),
        }
    };
    let added = context.add_function(check::HEADER, header);
    added.map_err(|error| Failure::Failed(shortened(error.to_string())))
}

impl Standard {
    fn of(self, call: &Call) -> Value {
        match self {
            Standard::Caller => call.caller.as_ref().into(),
            Standard::Model => call.model.as_ref().into(),
            Standard::Operation => operation_name(call.operation).into(),
            Standard::Streamed => Value::Bool(call.streamed),
        }
    }
}

fn operation_name(operation: Operation) -> &'static str {
    match operation {
        Operation::Chat => "chat",
        Operation::Completions => "completions",
        Operation::Embeddings => "embeddings",
        Operation::Moderations => "moderations",
        Operation::Raw => "raw",
        Operation::Realtime => "realtime",
    }
}

/// What went wrong, without the values it went wrong with: they may be a caller's text.
fn in_words(error: &ExecutionError) -> String {
    let words = match error {
        ExecutionError::NoSuchKey(key) => format!("there is no `{key}`"),
        ExecutionError::UndeclaredReference(name) => format!("`{name}` was not given"),
        ExecutionError::NoSuchOverload(error) => {
            let types = error.argument_types().join(", ");
            format!("`{}` does not take ({types})", error.function())
        }
        ExecutionError::UnexpectedType { want, .. } => format!("a {want} was expected"),
        ExecutionError::FunctionError { function, .. } => format!("`{function}` failed"),
        ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) => {
            "division by zero".to_owned()
        }
        ExecutionError::Overflow(..) => "the number is too large".to_owned(),
        ExecutionError::IndexOutOfBounds(_) => "the index is out of bounds".to_owned(),
        ExecutionError::DuplicateKey(_) => "a key is there twice".to_owned(),
        ExecutionError::ValuesNotComparable(..) => "the values cannot be compared".to_owned(),
        ExecutionError::UnsupportedBinaryOperator(operator, ..) => {
            format!("`{operator}` does not take these types")
        }
        _ => "the values are not of the types that it takes".to_owned(),
    };
    shortened(words)
}

fn shortened(words: String) -> String {
    crate::verdict::shortened(words, LONGEST_ERROR)
}

impl Guest {
    fn value_of(
        &mut self,
        handle: &Resource<CallHandle>,
        expression: u32,
        variables: &str,
    ) -> wasmtime::Result<Result<Value, Failure>> {
        self.call(handle, 0)?;
        let Some(expression) = self.compiled.expressions.get(expression) else {
            return Err(Overrun::Handle.into());
        };
        Ok(expression.evaluate(&self.call, variables))
    }
}

impl wit::Host for Guest {
    fn compile(&mut self, source: String, variables: Vec<String>) -> wasmtime::Result<Result<u32, String>> {
        self.charge(0)?;
        let bytes = source.len() + variables.iter().map(String::len).sum::<usize>();
        let source = Source {
            text: source,
            variables,
        };
        let compiled = self
            .compiled
            .expressions
            .intern(source, bytes, MOST, Expression::compile);
        Ok(compiled.map_err(shortened))
    }

    fn test(
        &mut self,
        handle: Resource<CallHandle>,
        expression: u32,
        variables: String,
    ) -> wasmtime::Result<Result<bool, wit::Failure>> {
        let value = self.value_of(&handle, expression, &variables)?;
        let truth = value.and_then(|value| match value {
            Value::Bool(truth) => Ok(truth),
            other => {
                let why = format!("it is a {}, not true or false", other.type_of());
                Err(Failure::Failed(why))
            }
        });
        Ok(truth.map_err(to_guest))
    }

    fn evaluate(
        &mut self,
        handle: Resource<CallHandle>,
        expression: u32,
        variables: String,
    ) -> wasmtime::Result<Result<String, wit::Failure>> {
        let value = self.value_of(&handle, expression, &variables)?;
        let json = value.and_then(|value| value::write(&value, LONGEST_JSON).map_err(Failure::Failed));
        Ok(json.map_err(to_guest))
    }
}

fn to_guest(failure: Failure) -> wit::Failure {
    match failure {
        Failure::Variables(why) => wit::Failure::Variables(why),
        Failure::TooMuch => wit::Failure::TooMuch,
        Failure::Failed(why) => wit::Failure::Failed(why),
    }
}

#[cfg(test)]
mod tests;
