//! The contract as Rust types: generated, and nothing else.

wasmtime::component::bindgen!({
    path: "../wit",
    world: "adapter",
    exports: { default: async },
    require_store_data_send: true,
});

/// The optional interfaces, each found by name. What they share with the contract is the same type.
pub mod registration {
    wasmtime::component::bindgen!({
        path: "../wit",
        inline: "package punchdown:host; world registration { export punchdown:adapter/registration@0.9.0; }",
        world: "punchdown:host/registration",
        with: { "punchdown:adapter/types": super::punchdown::adapter::types },
        exports: { default: async },
        require_store_data_send: true,
    });
}

pub mod session {
    wasmtime::component::bindgen!({
        path: "../wit",
        inline: "package punchdown:host; world session { export punchdown:adapter/session@0.9.0; }",
        world: "punchdown:host/session",
        with: { "punchdown:adapter/types": super::punchdown::adapter::types },
        exports: { default: async },
        require_store_data_send: true,
    });
}
