//! What secrets look like: a prefix, then a body of bounded shape. Lengths and alphabets are the issuers', as of 2026-08;
//! where an issuer says that lengths may grow, only the least length counts.

use crate::charset::Charset;

pub struct Rule {
    pub name: String,
    pub prefix: Vec<u8>,
    /// Not in the middle of a word: `task-…` holds no `sk-…`.
    pub at_word_start: bool,
    pub body: Body,
}

pub enum Body {
    /// Parts in a row; a last run without a most is replaced to its end, however long, in characters of `tail`.
    Parts { parts: Vec<Part>, tail: Charset },
    /// A private key in PEM or PGP armour, up to its end line.
    Armour,
}

pub enum Part {
    Run {
        of: Charset,
        least: usize,
        most: Option<usize>,
    },
    Literal(&'static [u8]),
    /// What stands between a name and its value; the secret begins after it.
    Between {
        of: Charset,
        most: usize,
    },
}

/// A token's header of more than this is none; it is held back until its end is known.
const LONGEST_JWT_HEADER: usize = 1024;

/// `": "`, `=`, ` => '` and the like.
const BETWEEN: Part = Part::Between {
    of: Charset::of(b"\"'\\ \t:=>"),
    most: 16,
};

/// Every name that `rules` may list.
pub fn builtin() -> Vec<Rule> {
    let mut rules = vec![
        token("anthropic", "sk-ant-", Charset::BASE64URL, 20),
        token("openrouter", "sk-or-", Charset::BASE64URL, 20),
        token("openai", "sk-proj-", Charset::BASE64URL, 20),
        token("openai", "sk-svcacct-", Charset::BASE64URL, 20),
        token("openai", "sk-admin-", Charset::BASE64URL, 20),
        // the older form; many other providers' keys have it too. A word with dashes is no key.
        Rule {
            body: Body::Parts {
                parts: vec![open(Charset::ALNUM, 20)],
                tail: Charset::BASE64URL,
            },
            ..token("openai", "sk-", Charset::ALNUM, 20)
        },
        token("github", "github_pat_", Charset::ALNUM.and(Charset::of(b"_")), 36),
        token("gitlab", "glpat-", Charset::BASE64URL.and(Charset::of(b".")), 20),
        token("google", "AIza", Charset::BASE64URL, 35),
        token("stripe", "sk_live_", Charset::ALNUM, 16),
        token("stripe", "rk_live_", Charset::ALNUM, 16),
        token("huggingface", "hf_", Charset::ALNUM, 30),
        token("npm", "npm_", Charset::ALNUM, 36),
        sendgrid(),
        jwt(),
        Rule {
            name: "private-key".into(),
            prefix: b"-----BEGIN ".into(),
            at_word_start: false,
            body: Body::Armour,
        },
        azure_storage(),
    ];
    rules.extend(
        ["ghp_", "gho_", "ghu_", "ghs_", "ghr_"].map(|prefix| token("github", prefix, Charset::ALNUM, 36)),
    );
    let slack = Charset::ALNUM.and(Charset::of(b"-"));
    rules.extend(
        ["xoxa-", "xoxb-", "xoxp-", "xoxr-", "xoxs-"].map(|prefix| token("slack", prefix, slack, 20)),
    );
    rules.extend(["AKIA", "ASIA"].map(aws_access_key));
    rules.extend(AWS_SECRET_NAMES.map(aws_secret_key));
    rules
}

/// A prefix and at least so many characters.
pub fn token(name: &str, prefix: &str, of: Charset, least: usize) -> Rule {
    let body = Body::Parts {
        parts: vec![open(of, least)],
        tail: of,
    };
    Rule {
        name: name.to_string(),
        prefix: prefix.into(),
        at_word_start: true,
        body,
    }
}

/// A prefix and a number of characters within bounds; longer runs are something else.
pub fn bounded(name: &str, prefix: &str, of: Charset, least: usize, most: usize) -> Rule {
    let parts = vec![Part::Run {
        of,
        least,
        most: Some(most),
    }];
    Rule {
        body: Body::Parts { parts, tail: of },
        ..token(name, prefix, of, least)
    }
}

fn open(of: Charset, least: usize) -> Part {
    Part::Run {
        of,
        least,
        most: None,
    }
}

fn aws_access_key(prefix: &str) -> Rule {
    bounded("aws-access-key", prefix, Charset::UPPER, 16, 16)
}

/// Forty characters are too common to be a secret by themselves; a name before them makes them one.
const AWS_SECRET_NAMES: [&str; 7] = [
    "secret_access_key",
    "SECRET_ACCESS_KEY",
    "secretAccessKey",
    "SecretAccessKey",
    "secret-access-key",
    "secret access key",
    "Secret Access Key",
];

fn aws_secret_key(prefix: &str) -> Rule {
    let value = Part::Run {
        of: Charset::BASE64,
        least: 40,
        most: Some(40),
    };
    named_value("aws-secret-key", prefix, vec![BETWEEN, value])
}

fn azure_storage() -> Rule {
    let value = Part::Run {
        of: Charset::BASE64,
        least: 86,
        most: Some(86),
    };
    named_value(
        "azure-storage",
        "AccountKey=",
        vec![
            Part::Between {
                of: Charset::of(b" "),
                most: 1,
            },
            value,
        ],
    )
}

fn named_value(name: &str, prefix: &str, parts: Vec<Part>) -> Rule {
    let body = Body::Parts {
        parts,
        tail: Charset::of(b"="),
    };
    // `mySecretAccessKey` holds the name too; the other spellings would hold back every word that ends in `s`
    let at_word_start = prefix != "SecretAccessKey";
    Rule {
        name: name.to_string(),
        prefix: prefix.into(),
        at_word_start,
        body,
    }
}

fn sendgrid() -> Rule {
    let parts = vec![
        Part::Run {
            of: Charset::BASE64URL,
            least: 16,
            most: Some(64),
        },
        Part::Literal(b"."),
        open(Charset::BASE64URL, 16),
    ];
    Rule {
        body: Body::Parts {
            parts,
            tail: Charset::BASE64URL,
        },
        ..token("sendgrid", "SG.", Charset::BASE64URL, 16)
    }
}

/// `{"` in base64 is `eyJ`: a header and a payload that are JSON objects. Signatures and encrypted parts follow.
fn jwt() -> Rule {
    let parts = vec![
        Part::Run {
            of: Charset::BASE64URL,
            least: 8,
            most: Some(LONGEST_JWT_HEADER),
        },
        Part::Literal(b".eyJ"),
        open(Charset::BASE64URL, 8),
    ];
    let tail = Charset::BASE64URL.and(Charset::of(b"."));
    Rule {
        body: Body::Parts { parts, tail },
        ..token("jwt", "eyJ", Charset::BASE64URL, 8)
    }
}

/// The names that exist, each once, for messages.
pub fn names() -> Vec<String> {
    let mut names: Vec<String> = builtin().into_iter().map(|rule| rule.name).collect();
    names.sort();
    names.dedup();
    names
}
