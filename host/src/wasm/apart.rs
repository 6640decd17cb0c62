//! From a component's bytes to what runs, when it is not this process that compiles: what was compiled before is taken
//! as it is, all else goes to the compiler, one at a time.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use wasmtime::Engine;
use wasmtime::component::Component;

use super::compiled::{Compiled, Name};
use super::compiler::{Compiler, NotCompiled};
use super::load::chain;
use crate::crash::how_it_ended;
use crate::domain::Digest;

/// So many that took too much are remembered, or each look at what lies on disk would begin anew.
const REFUSED_MAX: usize = 64;

pub struct Apart {
    compiler: Compiler,
    kept: Option<Arc<Compiled>>,
    /// One at a time: the compiler's limit of memory is that of the machine.
    turn: tokio::sync::Mutex<()>,
    refused: Mutex<VecDeque<(Digest, NotCompiled)>>,
}

impl Apart {
    pub fn new(compiler: Compiler, kept: Option<Compiled>) -> Self {
        Self {
            compiler,
            kept: kept.map(Arc::new),
            turn: tokio::sync::Mutex::default(),
            refused: Mutex::default(),
        }
    }

    /// The component, ready to be linked.
    pub async fn component(
        &self,
        engine: &Engine,
        bytes: &[u8],
        digest: &Digest,
    ) -> Result<Component, NotCompiled> {
        let name = Name::of(engine, digest);
        if let Some(known) = self.known(engine, &name, digest).await {
            return known;
        }
        let _turn = self.turn.lock().await;
        // Who had it before may have compiled the same.
        if let Some(known) = self.known(engine, &name, digest).await {
            return known;
        }
        let code = self.compiler.compile(bytes).await.inspect_err(|why| self.remember(digest, why))?;
        let (engine, kept) = (engine.clone(), self.kept.clone());
        let taken = tokio::task::spawn_blocking(move || {
            // What it needs of a place, this engine alone knows.
            let component =
                component_of(&engine, &code).map_err(|error| NotCompiled::Refused(chain(&error)))?;
            if let Some(kept) = kept {
                kept.put(&name, &code);
            }
            Ok(component)
        });
        taken.await.unwrap_or_else(|error| Err(NotCompiled::Ended(how_it_ended(&error).to_owned())))
    }

    /// What came of it before.
    async fn known(
        &self,
        engine: &Engine,
        name: &Name,
        digest: &Digest,
    ) -> Option<Result<Component, NotCompiled>> {
        match self.kept(engine, name).await {
            Some(component) => Some(Ok(component)),
            None => self.refused(digest).map(Err),
        }
    }

    async fn kept(&self, engine: &Engine, name: &Name) -> Option<Component> {
        let (kept, engine, name) = (self.kept.clone()?, engine.clone(), name.clone());
        let taken = tokio::task::spawn_blocking(move || {
            let code = kept.get(&name)?;
            match component_of(&engine, &code) {
                Ok(component) => Some(component),
                Err(error) => {
                    kept.forget(&name, &chain(&error));
                    None
                }
            }
        });
        taken.await.ok().flatten()
    }

    pub fn settle(&self) {
        if let Some(kept) = &self.kept {
            kept.settle();
        }
    }

    fn refused(&self, digest: &Digest) -> Option<NotCompiled> {
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        refused.iter().find(|(of, _)| of == digest).map(|(_, why)| why.clone())
    }

    fn remember(&self, digest: &Digest, why: &NotCompiled) {
        if why.lasts() {
            let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
            refused.push_front((digest.clone(), why.clone()));
            refused.truncate(REFUSED_MAX);
        }
    }
}

#[expect(unsafe_code, reason = "wasmtime runs what it is given here as native code")]
fn component_of(engine: &Engine, code: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: wasmtime made these bytes. They came through a pipe from this very program, or from a folder that this
    // user alone can write to, and there they are as they were put, by their check. wasmtime copies them, and
    // looks itself for which engine they were made.
    unsafe { Component::deserialize(engine, code) }
}
