//! Bindings made from the contract: one world with every import, and one world per hook, so that a component exports the
//! hooks that its `export!` line names and no other. They share one set of types.
//!
//! Imports that a plugin does not use never reach its component.
#![allow(
    missing_docs,
    reason = "generated from the WIT, which carries the documentation"
)]
#![allow(clippy::all, reason = "generated code")]

pub mod capabilities {
    wit_bindgen::generate!({
        path: "../wit",
        inline: "
            package penstock:guest;
            world capabilities {
                import penstock:plugin/types@0.1.0;
                import penstock:plugin/log@0.1.0;
                import penstock:plugin/metrics@0.1.0;
                import penstock:plugin/clock@0.1.0;
                import penstock:plugin/random@0.1.0;
                import penstock:plugin/kv@0.1.0;
                import penstock:plugin/counters@0.1.0;
                import penstock:plugin/catalogue@0.1.0;
                import penstock:plugin/tokenizer@0.1.0;
                import penstock:plugin/expr@0.1.0;
                import penstock:plugin/match@0.1.0;
                import penstock:plugin/cache@0.1.0;
                import penstock:plugin/http@0.1.0;
            }
        ",
        generate_all,
        additional_derives: [PartialEq],
        additional_derives_ignore: ["call", "answer"],
        generate_unused_types: true,
    });
}

/// Settings and interests; a component always has it.
pub mod lifecycle {
    wit_bindgen::generate!({
        path: "../wit",
        inline: "package penstock:guest; world lifecycle { export penstock:plugin/lifecycle@0.1.0; }",
        pub_export_macro: true,
        export_macro_name: "export",
        default_bindings_module: "penstock_plugin::bindings::lifecycle",
    });
}

/// One hook's world: its interface as the only export, its types shared with `capabilities`.
macro_rules! hook {
    ($name:ident, $world:literal, $inline:literal, $module:literal) => {
        pub mod $name {
            wit_bindgen::generate!({
                path: "../wit",
                inline: $inline,
                world: $world,
                with: {
                    "penstock:plugin/types@0.1.0": crate::bindings::capabilities::penstock::plugin::types,
                },
                pub_export_macro: true,
                export_macro_name: "export",
                default_bindings_module: $module,
                additional_derives: [PartialEq],
            });
        }
    };
}

hook!(
    on_request,
    "on-request",
    "package penstock:guest; world on-request { export penstock:plugin/on-request@0.1.0; }",
    "penstock_plugin::bindings::on_request"
);
hook!(
    on_route,
    "on-route",
    "package penstock:guest; world on-route { export penstock:plugin/on-route@0.1.0; }",
    "penstock_plugin::bindings::on_route"
);
hook!(
    on_response,
    "on-response",
    "package penstock:guest; world on-response { export penstock:plugin/on-response@0.1.0; }",
    "penstock_plugin::bindings::on_response"
);
hook!(
    on_event,
    "on-event",
    "package penstock:guest; world on-event { export penstock:plugin/on-event@0.1.0; }",
    "penstock_plugin::bindings::on_event"
);
hook!(
    on_complete,
    "on-complete",
    "package penstock:guest; world on-complete { export penstock:plugin/on-complete@0.1.0; }",
    "penstock_plugin::bindings::on_complete"
);
