//! The strategies: plain values in, an order with reasons out.

use std::cmp::Ordering;

use penstock_plugin::prelude::{Candidate, Choice};

use crate::hash::score;
use crate::settings::{Settings, Strategy};

/// Chat traffic reads more than it writes; three parts input to one part output is the usual blend.
const INPUT_PARTS: u64 = 3;
const OUTPUT_PARTS: u64 = 1;
const PARTS: u64 = INPUT_PARTS + OUTPUT_PARTS;

/// Every candidate once, best first, those that fail last; cut to `max` where it is set.
pub fn order(settings: &Settings, key: &str, candidates: &[Candidate]) -> Vec<Choice> {
    let mut order: Vec<Ranked> = candidates
        .iter()
        .enumerate()
        .map(|(at, it)| rank(settings, key, at, it))
        .collect();
    order.sort_by(Ranked::compare);
    order.truncate(settings.max.map_or(usize::MAX, |max| max as usize));
    order
        .into_iter()
        .map(|it| Choice {
            candidate: it.at as u32,
            reason: it.reason,
        })
        .collect()
}

/// A candidate's place: failing ones behind the others, then by the strategy's measure (smaller is better), then by
/// score (larger is better), then as listed.
struct Ranked {
    at: usize,
    failures: u32,
    measure: f64,
    score: f64,
    reason: String,
}

impl Ranked {
    fn compare(&self, other: &Ranked) -> Ordering {
        self.failures
            .cmp(&other.failures)
            .then(self.measure.total_cmp(&other.measure))
            .then(other.score.total_cmp(&self.score))
            .then(self.at.cmp(&other.at))
    }
}

fn rank(settings: &Settings, key: &str, at: usize, candidate: &Candidate) -> Ranked {
    let (measure, reason) = measure(settings.strategy, candidate);
    let failing = candidate.failures >= settings.failures;
    Ranked {
        at,
        failures: if failing { candidate.failures } else { 0 },
        measure,
        score: match settings.strategy {
            // no key is asked for: equals stay as listed
            Strategy::Cheapest | Strategy::Fastest => 0.0,
            _ => score(key, &candidate.provider, &candidate.model, candidate.weight),
        },
        reason: if failing {
            format!("failing: {} in a row", candidate.failures)
        } else {
            reason
        },
    }
}

/// Stands for "behind all that are known".
const UNKNOWN: f64 = f64::INFINITY;

fn measure(strategy: Strategy, candidate: &Candidate) -> (f64, String) {
    match strategy {
        Strategy::Weighted => (0.0, format!("weighted: weight {}", candidate.weight)),
        Strategy::Sticky => (0.0, "sticky".to_string()),
        Strategy::Cheapest => match blended_price(candidate) {
            Some(price) => (price as f64, price_reason(price)),
            None => (UNKNOWN, "cheapest: price unknown".to_string()),
        },
        Strategy::Fastest => fastest(candidate),
        Strategy::LeastLoaded => {
            let load = f64::from(candidate.in_flight) / f64::from(candidate.weight.max(1));
            (load, format!("least-loaded: {} in flight", candidate.in_flight))
        }
    }
}

/// A target that was never measured goes first, so that it gets measured, but only while no attempt to it is under way:
/// one request finds out, the others need not wait for it.
fn fastest(candidate: &Candidate) -> (f64, String) {
    match candidate.first_byte_us {
        Some(micros) => (
            f64::from(micros),
            format!("fastest: {micros} us to the first byte"),
        ),
        None if candidate.in_flight == 0 => (-1.0, "fastest: not measured yet".to_string()),
        None => (UNKNOWN, "fastest: being measured".to_string()),
    }
}

/// Nano dollars per million tokens of the usual blend; a target with only one of its prices known counts as unknown.
fn blended_price(candidate: &Candidate) -> Option<u64> {
    let (input, output) = (candidate.input_price?, candidate.output_price?);
    // whole parts and rests by themselves: nothing overflows, and wide numbers are slow in a guest
    let whole = input / PARTS * INPUT_PARTS + output / PARTS * OUTPUT_PARTS;
    let rest = input % PARTS * INPUT_PARTS + output % PARTS * OUTPUT_PARTS;
    Some(whole + rest / PARTS)
}

/// The reason for a price in nano dollars, shown in dollars with four places, rounded down.
fn price_reason(nano: u64) -> String {
    let mut reason = String::with_capacity(48);
    reason.push_str("cheapest: ");
    push_number(nano / 1_000_000_000, 1, &mut reason);
    reason.push('.');
    push_number(nano % 1_000_000_000 / 100_000, 4, &mut reason);
    reason.push_str(" usd per million");
    reason
}

/// Decimal digits, at least so many. By hand: the standard formatter is most of what a hook costs here.
fn push_number(number: u64, least: u32, out: &mut String) {
    let mut unit = 10u64.pow(least - 1);
    while number / unit >= 10 {
        unit *= 10;
    }
    while unit > 0 {
        out.push(char::from(b'0' + (number / unit % 10) as u8));
        unit /= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(provider: &str) -> Candidate {
        Candidate {
            provider: provider.to_string(),
            model: "m".to_string(),
            weight: 1,
            input_price: None,
            output_price: None,
            in_flight: 0,
            first_byte_us: None,
            failures: 0,
        }
    }

    fn settings(strategy: Strategy) -> Settings {
        Settings {
            strategy,
            ..Settings::default()
        }
    }

    fn places(choices: &[Choice]) -> Vec<u32> {
        choices.iter().map(|it| it.candidate).collect()
    }

    #[test]
    fn the_cheapest_goes_first_and_an_unknown_price_last() {
        let price = |input, output| Candidate {
            input_price: Some(input),
            output_price: output,
            ..candidate("p")
        };
        let list = [
            price(1, None),
            price(5_000_000_000, Some(15_000_000_000)),
            price(150_000_000, Some(600_000_000)),
        ];
        let choices = order(&settings(Strategy::Cheapest), "", &list);
        assert_eq!(places(&choices), [2, 1, 0]);
        assert_eq!(choices[0].reason, "cheapest: 0.2625 usd per million");
        assert_eq!(choices[2].reason, "cheapest: price unknown");
    }

    #[test]
    fn any_price_is_blended_exactly_and_shown_with_four_places() {
        for (input, output, blend, shown) in [
            (0, 0, 0, "0.0000"),
            (1, 0, 0, "0.0000"),
            (3, 3, 3, "0.0000"),
            (5, 2, 4, "0.0000"),
            (99_999, 99_999, 99_999, "0.0000"),
            (10_000_000_000, 30_000_000_000, 15_000_000_000, "15.0000"),
            (1_234_567_890, 1_234_567_890, 1_234_567_890, "1.2345"),
            (u64::MAX, u64::MAX, u64::MAX, "18446744073.7095"),
            (u64::MAX, 0, u64::MAX / 4 * 3 + 2, "13835058055.2821"),
        ] {
            let priced = Candidate {
                input_price: Some(input),
                output_price: Some(output),
                ..candidate("p")
            };
            assert_eq!(blended_price(&priced), Some(blend), "{input} {output}");
            assert_eq!(price_reason(blend), format!("cheapest: {shown} usd per million"));
        }
    }

    #[test]
    fn an_unmeasured_target_is_probed_by_one_request_at_a_time() {
        let measured = |micros| Candidate {
            first_byte_us: Some(micros),
            ..candidate("p")
        };
        let probed = Candidate {
            in_flight: 1,
            ..candidate("p")
        };
        let list = [measured(900), measured(300), candidate("new"), probed];
        assert_eq!(
            places(&order(&settings(Strategy::Fastest), "", &list)),
            [2, 1, 0, 3]
        );
    }

    #[test]
    fn load_counts_per_weight() {
        let loaded = |in_flight, weight| Candidate {
            in_flight,
            weight,
            ..candidate("p")
        };
        let list = [loaded(4, 1), loaded(6, 2), loaded(1, 1)];
        assert_eq!(
            places(&order(&settings(Strategy::LeastLoaded), "", &list)),
            [2, 1, 0]
        );
    }

    #[test]
    fn a_failing_target_goes_last_and_is_never_dropped() {
        let failing = |failures| Candidate {
            failures,
            first_byte_us: Some(1),
            ..candidate("p")
        };
        let list = [failing(9), failing(3), failing(2)];
        let choices = order(&settings(Strategy::Fastest), "", &list);
        assert_eq!(places(&choices), [2, 1, 0]);
        assert_eq!(choices[2].reason, "failing: 9 in a row");
    }

    #[test]
    fn one_target_less_moves_only_the_keys_that_were_on_it() {
        let three = ["a", "b", "c"].map(candidate);
        let two = ["a", "b"].map(candidate);
        for number in 0..500 {
            let key = format!("caller-{number}");
            let before = places(&order(&settings(Strategy::Sticky), &key, &three));
            let after = places(&order(&settings(Strategy::Sticky), &key, &two));
            assert!(
                before[0] == 2 || before[0] == after[0],
                "{key}: {before:?} became {after:?}"
            );
        }
    }

    #[test]
    fn max_cuts_the_order_and_weight_zero_is_a_last_resort() {
        let list = [
            Candidate {
                weight: 0,
                ..candidate("a")
            },
            candidate("b"),
            candidate("c"),
        ];
        for number in 0..50 {
            assert_eq!(
                places(&order(
                    &settings(Strategy::Weighted),
                    &format!("r{number}"),
                    &list
                ))[2],
                0
            );
        }
        let cut = Settings {
            max: Some(2),
            ..Settings::default()
        };
        assert_eq!(order(&cut, "r", &list).len(), 2);
        assert!(order(&cut, "r", &[]).is_empty());
    }
}
