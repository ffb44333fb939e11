//! A stable hash and weighted rendezvous hashing: the same key and the same targets give the same order on every machine
//! and after every restart. Not for secrets.

/// FNV-1a over key and name, then a finaliser (splitmix64): close names must not give close numbers. The separators can
/// be in no key and in no provider's name.
fn hash(key: &str, provider: &str, model: &str) -> u64 {
    let parts: [&[u8]; 5] = [
        key.as_bytes(),
        &[0xff],
        provider.as_bytes(),
        b"/",
        model.as_bytes(),
    ];
    let mut fnv = 0xcbf2_9ce4_8422_2325_u64;
    for byte in parts.into_iter().flatten() {
        fnv = (fnv ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    let mixed = (fnv ^ (fnv >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// The larger, the further to the front; over many keys a target of twice the weight comes first twice as often
/// (weighted rendezvous hashing). Weight 0 comes last.
pub fn score(key: &str, provider: &str, model: &str, weight: u32) -> f64 {
    if weight == 0 {
        return f64::NEG_INFINITY;
    }
    // 53 bits make an exact fraction; the half keeps it off 0, whose logarithm is infinite
    let fraction = ((hash(key, provider, model) >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
    fraction.ln() / f64::from(weight)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_of_three_times_the_weight_comes_first_three_times_as_often() {
        let first = (0..20_000)
            .filter(|number| {
                let key = format!("request-{number}");
                score(&key, "a", "m", 3) > score(&key, "b", "m", 1)
            })
            .count();
        assert!((14_600..15_400).contains(&first), "{first} of 20000");
    }

    #[test]
    fn the_hash_never_changes_between_versions() {
        assert_eq!(hash("team-a", "openai", "gpt"), 0x2ff93e925f653e6f);
        assert_ne!(hash("team-a", "openai", "gpt"), hash("team-b", "openai", "gpt"));
        assert_ne!(hash("ab", "c", "d"), hash("a", "bc", "d"));
    }
}
