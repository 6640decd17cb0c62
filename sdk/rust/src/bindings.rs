//! The component ABI of `world adapter`, generated from the contract. `convert` alone uses it.

wit_bindgen::generate!({
    path: "../../wit",
    world: "adapter",
    pub_export_macro: true,
    export_macro_name: "export",
    default_bindings_module: "punchdown_adapter::bindings",
});
