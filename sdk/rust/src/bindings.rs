//! The component ABI of `world adapter`, generated from the contract. `convert` alone uses it.

wit_bindgen::generate!({
    path: "../../wit",
    world: "adapter",
    // Those of the optional interfaces, too.
    generate_unused_types: true,
    pub_export_macro: true,
    export_macro_name: "export",
    default_bindings_module: "punchdown_adapter::bindings",
});

/// The optional interface `registration`, beside the world: what both share is the same type.
pub mod registration {
    wit_bindgen::generate!({
        path: "../../wit",
        inline: "package punchdown:sdk; world registration { export punchdown:adapter/registration@0.9.0; }",
        world: "punchdown:sdk/registration",
        with: { "punchdown:adapter/types@0.9.0": crate::bindings::punchdown::adapter::types },
        pub_export_macro: true,
        export_macro_name: "export_registration",
        default_bindings_module: "punchdown_adapter::bindings::registration",
    });
}

/// The optional interface `session`, beside the world: what both share is the same type.
pub mod session {
    wit_bindgen::generate!({
        path: "../../wit",
        inline: "package punchdown:sdk; world session { export punchdown:adapter/session@0.9.0; }",
        world: "punchdown:sdk/session",
        with: { "punchdown:adapter/types@0.9.0": crate::bindings::punchdown::adapter::types },
        pub_export_macro: true,
        export_macro_name: "export_session",
        default_bindings_module: "punchdown_adapter::bindings::session",
    });
}
