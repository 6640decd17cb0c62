//! The contract as Rust types: generated, and nothing else.

wasmtime::component::bindgen!({
    path: "../wit",
    world: "adapter",
    exports: { default: async },
    require_store_data_send: true,
});
