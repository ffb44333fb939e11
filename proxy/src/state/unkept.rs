//! The ids of answers that the gateway has put into the words of Responses for a provider that keeps none: they say so
//! themselves, so that nothing has to be remembered to tell why such an answer cannot be come back to.

const MARK: &str = "resp_unkept_";

/// The id of such an answer, with its provider's own id in it.
pub fn marked(id: &str) -> String {
    format!("{MARK}{id}")
}

pub fn is_marked(id: &str) -> bool {
    id.starts_with(MARK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_of_a_providers_own_is_not_marked() {
        assert!(is_marked(&marked("chatcmpl-1")));
        assert!(!is_marked("resp_0123") && !is_marked(""));
    }
}
