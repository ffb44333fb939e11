//! The smallest guard there is: it exports `lifecycle` and `on-event`, and imports only the types.

wit_bindgen::generate!({
    inline: "
        package test:events-only;
        world guest {
            export penstock:plugin/lifecycle@0.1.0;
            export penstock:plugin/on-event@0.1.0;
        }
    ",
    path: "../../../../wit",
    generate_all,
});

use exports::penstock::plugin::lifecycle::{self, Hooks, Interests, Kinds};
use exports::penstock::plugin::on_event::{self, Call, Delta, Outcome};

struct Guest;
export!(Guest);

impl lifecycle::Guest for Guest {
    fn configure(settings: String) -> Result<Interests, String> {
        crate::set_mode(&settings);
        let hooks = match crate::mode().as_str() {
            "wants-missing" => Hooks::ON_REQUEST,
            _ => Hooks::ON_EVENT,
        };
        Ok(Interests { hooks, kinds: Kinds::from_bits_retain(0xff), buffer: crate::mode() == "buffers" })
    }
}

impl on_event::Guest for Guest {
    fn handle(_: &Call, _: Delta, _: Vec<u8>) -> Outcome {
        crate::misbehave(&crate::mode());
        let _ = crate::lie("");
        Outcome { edits: Vec::new(), hold: 0, state: None, end: None }
    }
}
