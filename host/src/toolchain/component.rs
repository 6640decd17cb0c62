//! Core modules become components, by the encoder that this program carries: nobody needs another tool.

use wit_component::{ComponentEncoder, StringEncoding};
use wit_parser::Resolve;

use super::ToolchainError;

/// Turns a core module that carries its contract into a component.
///
/// # Errors
///
/// When it does not keep it. One that carries none makes a component without exports.
pub fn component_from_module(module: &[u8]) -> Result<Vec<u8>, ToolchainError> {
    ComponentEncoder::default()
        .validate(true)
        .module(module)
        .and_then(|mut encoder| encoder.encode())
        .map_err(|error| ToolchainError::Module(error.into()))
}

/// Puts the contract into a core module that was written by hand, as [`component_from_module`]
/// wants it: the last world of `wit_text`.
///
/// # Errors
///
/// When the text is no WIT, or has no world.
pub fn embed_contract(mut core_module: Vec<u8>, wit_text: &str) -> Result<Vec<u8>, ToolchainError> {
    let mut resolve = Resolve::default();
    let package = resolve.push_str("adapter.wit", wit_text);
    let package = package.map_err(|error| ToolchainError::Contract(error.into()))?;
    let world = resolve.packages[package].worlds.values().last();
    let world = *world.ok_or_else(|| ToolchainError::Contract("it has no world".into()))?;
    let encoding = StringEncoding::UTF8;
    wit_component::embed_component_metadata(&mut core_module, &resolve, world, encoding)
        .map_err(|error| ToolchainError::Module(error.into()))?;
    Ok(core_module)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY_MODULE: &[u8] = b"\0asm\x01\0\0\0";
    const CONTRACT: &str = include_str!("../../../wit/adapter.wit");

    #[test]
    fn a_module_that_exports_nothing_is_no_adapter() {
        let module = embed_contract(EMPTY_MODULE.to_vec(), CONTRACT).expect("the contract fits in");
        let refused = component_from_module(&module);
        assert!(matches!(refused, Err(ToolchainError::Module(_))), "{refused:?}");
    }

    #[test]
    fn a_module_written_by_hand_becomes_a_component() {
        let contract = "package punchdown:adapter@0.9.0; world nothing {}";
        let module = embed_contract(EMPTY_MODULE.to_vec(), contract).expect("the contract fits in");
        assert!(component_from_module(&module).is_ok());
    }

    #[test]
    fn a_contract_must_have_a_world() {
        for text in ["package punchdown:adapter@0.9.0;", "world"] {
            let refused = embed_contract(EMPTY_MODULE.to_vec(), text);
            assert!(matches!(refused, Err(ToolchainError::Contract(_))), "{refused:?}");
        }
    }
}
