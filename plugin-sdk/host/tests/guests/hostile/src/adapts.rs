//! An adapter that does what its settings say: `{"mode": "...", "only": "...", "hex": "...", "encoding": ...}`. What is in
//! `hex` is what it gives where it gives bytes; `only` names the interface in which it does so, and misbehaves.

wit_bindgen::generate!({
    inline: "
        package test:adapts;
        world guest {
            export penstock:plugin/lifecycle@0.1.0;
            export penstock:plugin/adapter@0.1.0;
            export penstock:plugin/encode@0.1.0;
            export penstock:plugin/decode@0.1.0;
        }
    ",
    path: "../../../../wit",
    generate_all,
});

use exports::penstock::plugin::adapter::{self, Description, Framing};
use exports::penstock::plugin::decode::{self, Frame, Step};
use exports::penstock::plugin::encode::{self, Encoded};
use exports::penstock::plugin::lifecycle::{self, Hooks, Interests, Kinds};

struct Guest;
export!(Guest);

impl lifecycle::Guest for Guest {
    fn configure(settings: String) -> Result<Interests, String> {
        crate::set_mode(&settings);
        Ok(Interests { hooks: Hooks::empty(), kinds: Kinds::empty(), buffer: false })
    }
}

impl adapter::Guest for Guest {
    fn describe() -> Description {
        if crate::mode() == "describe-traps" {
            crate::trap();
        }
        Description {
            dialect: "made-up".to_owned(),
            framing: Framing::Sse,
            encoding: crate::setting("encoding") as u32,
        }
    }
}

impl encode::Guest for Guest {
    fn request(_: Vec<u8>) -> Result<Encoded, Vec<u8>> {
        let mode = mode_in("encode");
        let bytes = bytes(&mode);
        if mode == "refuse" {
            return Err(bytes);
        }
        let header = match mode.as_str() {
            "bad-header" => Some(("x-a", "b\r\nc: d")),
            "credential" => Some(("authorization", "Bearer mine")),
            "header" => Some(("x-own", "1")),
            _ => None,
        };
        let many = if mode == "many-headers" { 10_000 } else { 0 };
        let headers = header.into_iter().chain((0..many).map(|_| ("x-a", "b")));
        Ok(Encoded {
            path: crate::lie(&mode).unwrap_or_else(|| path(&mode)),
            headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            names: Vec::new(),
            // twice as much would be too much memory
            losses: if mode == "huge" { Vec::new() } else { bytes.clone() },
            body: bytes,
        })
    }
}

fn path(mode: &str) -> String {
    match mode {
        "bad-path" => "//elsewhere/x",
        "climbs" => "/a/%2e%2e/x",
        _ => "/own/path?x=1",
    }
    .to_owned()
}

impl decode::Guest for Guest {
    fn answer(_: u16, _: Vec<u8>) -> Result<Vec<u8>, Vec<u8>> {
        let mode = mode_in("decode");
        let bytes = bytes(&mode);
        match mode.as_str() {
            "refuse" => Err(bytes),
            _ => Ok(bytes),
        }
    }

    fn error(_: u16, _: Option<String>, _: Vec<u8>) -> Vec<u8> {
        bytes(&mode_in("decode"))
    }

    fn stream(state: Vec<u8>, frames: Vec<Frame>, last: bool) -> Step {
        let mode = mode_in("decode");
        if mode == "trap-later" && !state.is_empty() {
            crate::trap();
        }
        let state = match mode.as_str() {
            "state-too-big" => vec![7; (64 << 10) + 1],
            // what it was given, and what came with it
            _ => [state, frames.into_iter().flat_map(|frame| frame.data).collect(), vec![u8::from(last)]].concat(),
        };
        Step { state, events: bytes(&mode) }
    }
}

/// What it does in an interface; nothing where the settings name the other one.
fn mode_in(interface: &str) -> String {
    let only = crate::text_setting("only");
    if only.is_empty() || only == interface { crate::mode() } else { String::new() }
}

/// What it gives, after it has misbehaved.
fn bytes(mode: &str) -> Vec<u8> {
    if mode.is_empty() {
        return Vec::new();
    }
    crate::misbehave(mode);
    if let Some(lie) = crate::lie(mode).filter(|_| mode != "not-utf8") {
        return lie.into_bytes();
    }
    if mode == "huge" {
        return vec![1; 8 << 20];
    }
    let hex = crate::text_setting("hex");
    hex.as_bytes()
        .chunks_exact(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap_or("0"), 16).unwrap_or(0))
        .collect()
}
