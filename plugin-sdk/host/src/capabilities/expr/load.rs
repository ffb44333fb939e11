//! How much work an expression can be at most, told from its shape and the sizes of its variables before it runs: the
//! library cannot be stopped once it does.
//!
//! A value's size is one for itself, for each value within it and for each 32 bytes of its text. A step is what copying a
//! value of size one takes, 80 ns at the most. Every operation may copy all that it is given. Sizes and steps are upper bounds:
//!
//! * An operation's result is no larger than what it is given together, and it takes that many steps.
//! * A macro over a range of size R has R turns at most, and the sizes of the elements that its turns see are together no
//!   more than R. As long as a turn's steps grow no faster than its element's size, all turns take no more steps than R
//!   turns with an element of size one: so one is what an element counts in its own macro's turn.
//! * In a macro within that turn the outer element is met once for each inner turn, and steps would grow with the square
//!   of its size. There it counts as the largest that a range can be, which no element is larger than.

use cel::common::ast::{ComprehensionExpr, EntryExpr, Expr, IdedExpr, LiteralValue};

use super::LONGEST_HEADER;
use super::check::{Fold, HEADER};
use super::value::text_size;

/// What one evaluation may take: 8 ms at the worst, half of one usually.
pub const MOST_STEPS: u64 = 100_000;

/// Setting up a turn: two names and their places.
const STEPS_PER_TURN: u64 = 4;

/// The sizes of the variables by name.
#[derive(Default)]
pub struct Sizes(Vec<(String, u64)>);

impl Sizes {
    pub fn set(&mut self, name: &str, size: u64) {
        self.0.push((name.to_owned(), size));
    }

    fn of(&self, name: &str) -> u64 {
        let found = self.0.iter().find(|(known, _)| known == name);
        // what is not there fails as soon as it is met
        found.map_or(1, |(_, size)| *size)
    }
}

/// The most steps that an expression, which `check` has taken, can be with variables of these sizes.
pub fn of(expression: &IdedExpr, sizes: &Sizes) -> u64 {
    let mut scale = Scale {
        sizes,
        loops: Vec::new(),
        depth: 0,
    };
    let whole = scale.weigh(expression);
    whole.steps.saturating_add(whole.size)
}

/// Upper bounds of one expression's value and of the way to it.
#[derive(Copy, Clone)]
struct Weight {
    /// With elements as they are on average.
    size: u64,
    /// With the largest elements that there can be.
    largest: u64,
    steps: u64,
}

impl Weight {
    const SCALAR: Weight = Weight::of_size(1);

    const fn of_size(size: u64) -> Weight {
        Weight {
            size,
            largest: size,
            steps: 1,
        }
    }

    /// What comes of several values in one operation.
    fn with(self, other: Weight) -> Weight {
        Weight {
            size: self.size.saturating_add(other.size),
            largest: self.largest.saturating_add(other.largest),
            steps: self.steps.saturating_add(other.steps),
        }
    }

    /// The operation itself: it may copy all that it has.
    fn used(self) -> Weight {
        Weight {
            steps: self.steps.saturating_add(self.size).saturating_add(1),
            ..self
        }
    }
}

struct Loop<'e> {
    name: &'e str,
    /// How many macros' turns it is within, its own included.
    depth: usize,
    /// The largest that its range can be; none for an accumulator, which is a scalar or not read.
    largest: Option<u64>,
}

struct Scale<'e> {
    sizes: &'e Sizes,
    loops: Vec<Loop<'e>>,
    depth: usize,
}

impl<'e> Scale<'e> {
    fn weigh(&mut self, node: &'e IdedExpr) -> Weight {
        match &node.expr {
            Expr::Ident(name) => self.name(name),
            Expr::Literal(LiteralValue::String(text)) => Weight::of_size(text_size(text.inner().len())),
            Expr::Literal(LiteralValue::Bytes(bytes)) => Weight::of_size(text_size(bytes.inner().len())),
            Expr::Select(select) => self.weigh(&select.operand).used(),
            Expr::Call(call) => {
                let given = call.target.as_deref().into_iter().chain(&call.args);
                let given = self.all(given);
                if call.func_name == HEADER {
                    return given.with(Weight::of_size(text_size(LONGEST_HEADER))).used();
                }
                given.used()
            }
            Expr::List(list) => self.all(&list.elements).used(),
            Expr::Map(map) => {
                let parts = map.entries.iter().filter_map(|entry| match &entry.expr {
                    EntryExpr::MapEntry(entry) => Some([&entry.key, &entry.value]),
                    EntryExpr::StructField(_) => None,
                });
                self.all(parts.flatten()).used()
            }
            Expr::Comprehension(inner) => self.weigh_turns(inner),
            // numbers and truths; and what `check` does not take
            Expr::Literal(_) | Expr::Struct(_) | Expr::Unspecified => Weight::SCALAR,
        }
    }

    /// Values together, with the one that holds them.
    fn all(&mut self, nodes: impl IntoIterator<Item = &'e IdedExpr>) -> Weight {
        let mut sum = Weight::SCALAR;
        for node in nodes {
            sum = sum.with(self.weigh(node));
        }
        sum
    }

    fn weigh_turns(&mut self, inner: &'e ComprehensionExpr) -> Weight {
        let range = self.weigh(&inner.iter_range);
        let outside = self.loops.len();
        self.depth += 1;
        for (name, largest) in [(&inner.iter_var, Some(range.largest)), (&inner.accu_var, None)] {
            self.loops.push(Loop {
                name,
                depth: self.depth,
                largest,
            });
        }
        let turn = self
            .weigh(&inner.loop_cond)
            .with(self.weigh(&inner.loop_step))
            .used();
        let turn_steps = turn.steps.saturating_add(STEPS_PER_TURN);
        self.loops.truncate(outside);
        self.depth -= 1;
        let steps = range.size.saturating_mul(turn_steps).saturating_add(range.steps);
        let (size, largest) = match Fold::of(inner) {
            Some(Fold::Scalar) => (1, 1),
            Some(Fold::List) | None => (
                range.size.saturating_mul(turn.size).saturating_add(1),
                range.largest.saturating_mul(turn.largest).saturating_add(1),
            ),
        };
        Weight { size, largest, steps }.used()
    }

    fn name(&self, name: &str) -> Weight {
        let around = self.loops.iter().rev().find(|around| around.name == name);
        match around {
            None => Weight::of_size(self.sizes.of(name)),
            Some(Loop { largest: None, .. }) => Weight::SCALAR,
            Some(Loop {
                depth,
                largest: Some(largest),
                ..
            }) => Weight {
                size: if *depth == self.depth { 1 } else { *largest },
                ..Weight::of_size(*largest)
            },
        }
    }
}
