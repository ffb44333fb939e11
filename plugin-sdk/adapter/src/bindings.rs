//! Bindings made from the contract: the world of adapters, but for `lifecycle`, which they have in common with all plugins.
#![allow(
    missing_docs,
    reason = "generated from the WIT, which carries the documentation"
)]
#![allow(clippy::all, reason = "generated code")]

wit_bindgen::generate!({
    path: "../wit",
    inline: "
        package penstock:guest;
        world adapter {
            export penstock:plugin/adapter@0.1.0;
            export penstock:plugin/encode@0.1.0;
            export penstock:plugin/decode@0.1.0;
        }
    ",
    pub_export_macro: true,
    export_macro_name: "export",
    default_bindings_module: "penstock_adapter::bindings",
});
