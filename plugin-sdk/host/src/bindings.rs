//! What Wasmtime makes of the contract; written by its macro, and used by this crate alone.

wasmtime::component::bindgen!({
    path: "../wit",
    world: "everything",
    imports: { "penstock:plugin/http.send": async | trappable, default: trappable },
    ownership: Borrowing { duplicate_if_necessary: true },
    with: {
        "penstock:plugin/types.call": crate::resources::CallHandle,
        "penstock:plugin/types.answer": crate::resources::AnswerHandle,
    },
});
