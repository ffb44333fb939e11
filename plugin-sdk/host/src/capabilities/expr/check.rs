//! Which expressions are taken: those of known names, functions and shapes, so that what each of them can cost is known.
//! Everything that the language library could trip over is refused here, with its place.

use cel::ParseErrors;
use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr, SourceInfo, operators};

use super::Source;

/// A fact of the call that every expression may ask for.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Standard {
    Caller,
    Model,
    Operation,
    Streamed,
}

impl Standard {
    const ALL: [Standard; 4] = [
        Standard::Caller,
        Standard::Model,
        Standard::Operation,
        Standard::Streamed,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Standard::Caller => "caller",
            Standard::Model => "model",
            Standard::Operation => "operation",
            Standard::Streamed => "streamed",
        }
    }
}

/// The function for the call's headers.
pub const HEADER: &str = "header";

/// What an expression asks for.
#[derive(Default)]
pub struct Found {
    pub standard: Vec<Standard>,
    pub asks_for_headers: bool,
}

/// Evaluating this many operations within each other takes 128 KiB of the stack. Chains such as `a + b + c` count too.
const DEEPEST: usize = 64;

/// Functions of one value each, or of text; none makes more of what it is given.
const FUNCTIONS: [&str; 8] = ["size", "string", "int", "uint", "double", "bool", "dyn", HEADER];
const METHODS: [&str; 4] = ["contains", "startsWith", "endsWith", "size"];

const OPERATORS: [&str; 19] = [
    operators::CONDITIONAL,
    operators::LOGICAL_AND,
    operators::LOGICAL_OR,
    operators::LOGICAL_NOT,
    operators::SUBSTRACT,
    operators::ADD,
    operators::MULTIPLY,
    operators::DIVIDE,
    operators::MODULO,
    operators::EQUALS,
    operators::NOT_EQUALS,
    operators::GREATER_EQUALS,
    operators::LESS_EQUALS,
    operators::GREATER,
    operators::LESS,
    operators::NEGATE,
    operators::INDEX,
    operators::IN,
    operators::NOT_STRICTLY_FALSE,
];

/// The names of the values that an evaluation is given can be written in an expression, and hide nothing.
pub fn names(variables: &[String], most: usize) -> Result<(), String> {
    if variables.len() > most {
        return Err(format!(
            "{} variables, at most {most} can be named",
            variables.len()
        ));
    }
    for name in variables {
        let is_name = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if !is_name {
            return Err(format!(
                "`{name}` is no name of a variable: letters, digits and `_`"
            ));
        }
        if Standard::ALL.iter().any(|fact| fact.name() == name) {
            return Err(format!("`{name}` is the call's own: take another name"));
        }
    }
    Ok(())
}

/// The first thing that the parser found wrong.
pub fn first_error(errors: &ParseErrors) -> String {
    let Some(error) = errors.errors.first() else {
        return "it cannot be read".to_owned();
    };
    // the parser's own error is within another one, with a place that means nothing
    if errors
        .errors
        .iter()
        .any(|error| error.msg.contains("Recursion limit"))
    {
        return "it is nested too deeply".to_owned();
    }
    let (line, column) = error.pos;
    format!("line {line}, column {column}: {}", error.msg)
}

/// What the expression asks for, if every part of it is one that is taken.
pub fn checked(tree: &IdedExpr, places: &SourceInfo, source: &Source) -> Result<Found, String> {
    let mut checker = Checker {
        source,
        loops: Vec::new(),
        found: Found::default(),
    };
    let checked = checker.expression(tree, DEEPEST);
    checked.map_err(|wrong| {
        let offset = places.offset_for(wrong.id);
        let place = offset.map_or_else(String::new, |(start, _)| place(&source.text, start));
        format!("{place}{}", wrong.why)
    })?;
    Ok(checker.found)
}

/// `line 1, column 5: ` of a character.
fn place(text: &str, offset: u32) -> String {
    let before: String = text.chars().take(offset as usize).collect();
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|char| *char != '\n').count() + 1;
    format!("line {line}, column {column}: ")
}

/// The node that is not taken.
struct Wrong {
    id: u64,
    why: String,
}

struct Checker<'e> {
    source: &'e Source,
    /// The variables of the macros around the place that is looked at.
    loops: Vec<&'e str>,
    found: Found,
}

impl<'e> Checker<'e> {
    fn expression(&mut self, node: &'e IdedExpr, depth: usize) -> Result<(), Wrong> {
        let wrong = |why: &str| Wrong {
            id: node.id,
            why: why.to_owned(),
        };
        let Some(depth) = depth.checked_sub(1) else {
            return Err(wrong("it is nested too deeply"));
        };
        match &node.expr {
            Expr::Literal(_) => Ok(()),
            Expr::Ident(name) => self.name(node.id, name),
            Expr::Select(select) => self.expression(&select.operand, depth),
            Expr::Call(call) => self.call(node.id, call, depth),
            Expr::List(list) => self.all(&list.elements, depth),
            Expr::Map(map) => map.entries.iter().try_for_each(|entry| match &entry.expr {
                EntryExpr::MapEntry(entry) => {
                    self.expression(&entry.key, depth)?;
                    self.expression(&entry.value, depth)
                }
                EntryExpr::StructField(_) => Err(wrong("there are no messages here")),
            }),
            Expr::Comprehension(inner) => self.comprehension(node.id, inner, depth),
            Expr::Struct(_) => Err(wrong("there are no messages here")),
            Expr::Unspecified => Err(wrong("it is incomplete")),
        }
    }

    fn all(&mut self, nodes: &'e [IdedExpr], depth: usize) -> Result<(), Wrong> {
        nodes.iter().try_for_each(|node| self.expression(node, depth))
    }

    fn name(&mut self, id: u64, name: &str) -> Result<(), Wrong> {
        if self.loops.contains(&name) || self.source.variables.iter().any(|known| known == name) {
            return Ok(());
        }
        if let Some(fact) = Standard::ALL.into_iter().find(|fact| fact.name() == name) {
            if !self.found.standard.contains(&fact) {
                self.found.standard.push(fact);
            }
            return Ok(());
        }
        let standard = Standard::ALL.map(Standard::name);
        let given = self.source.variables.iter().map(String::as_str);
        let known: Vec<&str> = given.chain(standard).collect();
        Err(Wrong {
            id,
            why: format!("there is no `{name}`; there are {}", known.join(", ")),
        })
    }

    fn call(&mut self, id: u64, call: &'e CallExpr, depth: usize) -> Result<(), Wrong> {
        let name = call.func_name.as_str();
        let known: &[&str] = match &call.target {
            None if OPERATORS.contains(&name) => &OPERATORS,
            None => &FUNCTIONS,
            Some(_) => &METHODS,
        };
        if !known.contains(&name) {
            let (functions, methods) = (FUNCTIONS.join(", "), METHODS.join(", "));
            return Err(Wrong {
                id,
                why: format!("there is no function `{name}`; there are {functions}, and of a text {methods}"),
            });
        }
        self.found.asks_for_headers |= name == HEADER;
        if let Some(target) = &call.target {
            self.expression(target, depth)?;
        }
        self.all(&call.args, depth)
    }

    fn comprehension(&mut self, id: u64, inner: &'e ComprehensionExpr, depth: usize) -> Result<(), Wrong> {
        if inner.iter_var2.is_some() || Fold::of(inner).is_none() {
            let why = "of the macros there are has, all, exists, exists_one, map and filter".to_owned();
            return Err(Wrong { id, why });
        }
        self.expression(&inner.iter_range, depth)?;
        let outside = self.loops.len();
        self.loops.push(&inner.iter_var);
        self.loops.push(&inner.accu_var);
        let parts = [&inner.loop_cond, &inner.loop_step, &inner.result];
        let checked = parts
            .into_iter()
            .try_for_each(|part| self.expression(part, depth));
        self.loops.truncate(outside);
        checked
    }
}

/// What a macro makes of its range: the accumulators that there are.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Fold {
    /// A truth or a number: `all`, `exists`, `exists_one`.
    Scalar,
    /// A list that each turn adds to: `map`, `filter`.
    List,
}

impl Fold {
    pub fn of(inner: &ComprehensionExpr) -> Option<Fold> {
        match &inner.accu_init.expr {
            Expr::Literal(_) => Some(Fold::Scalar),
            Expr::List(list) if list.elements.is_empty() && appends(inner) => Some(Fold::List),
            _ => None,
        }
    }
}

/// Whether a turn is `accu + [...]`, or `condition ? accu + [...] : accu`: the library then appends in place.
fn appends(inner: &ComprehensionExpr) -> bool {
    let is_accu = |node: &IdedExpr| matches!(&node.expr, Expr::Ident(name) if *name == inner.accu_var);
    let adds = |node: &IdedExpr| match &node.expr {
        Expr::Call(call) if call.func_name == operators::ADD => match call.args.as_slice() {
            [accu, list] => is_accu(accu) && matches!(list.expr, Expr::List(_)),
            _ => false,
        },
        _ => false,
    };
    let turns = match &inner.loop_step.expr {
        Expr::Call(call) if call.func_name == operators::CONDITIONAL => match call.args.as_slice() {
            [_, step, otherwise] => adds(step) && is_accu(otherwise),
            _ => false,
        },
        _ => adds(&inner.loop_step),
    };
    turns && is_accu(&inner.result) && matches!(inner.loop_cond.expr, Expr::Literal(_))
}
