//! Punchdown connects PortaBilling to the systems that switch a subscriber's service on.
//!
//! An adapter decides; the host acts. An adapter is a pure function in a sandbox: given an
//! operation and all that has happened to it so far, it says what to do next. The host writes
//! every decision down before acting on it, so a crash at any moment resumes where it stopped.
//!
//! The modules stand on floors. A module uses only modules on lower floors, and neighbours on a
//! floor do not know each other; a test keeps it so.
//!
//! ```text
//!  6   cli  fuzz                        what a person can ask for; what the fuzz targets ask
//!  5   app  lifecycle  reload           who is connected to whom; when it starts and stops; what is taken over meanwhile
//!  4   config                           what the operator wrote, made complete
//!  3   http  cases                      the doors; what an adapter must hold before it serves
//!  2   store  billing  espf  world      each answers one port
//!      outbound  wasm  engine           (engine: uses ports, answers none)
//!      toolchain                        makes components of adapters' projects
//!  1   ports  secret  telemetry  web    the questions we may ask the world; the instruments
//!      explain                         what can be wrong, by code, in words
//!      crash                           what is left when the process dies: nothing of what it held
//!  0   domain                           the facts and the decisions: no async, no I/O, no clock
//! ```
//!
//! The way in: [`domain`] and its [`domain::step`] (the decisions), [`ports`] (the outside),
//! `engine/worker.rs` (the loop), then whichever room you came for.

pub mod domain;

pub mod crash;
pub mod explain;
pub mod ports;
pub mod secret;
pub mod telemetry;
pub mod web;

pub mod billing;
pub mod engine;
pub mod espf;
pub mod outbound;
pub mod store;
pub mod toolchain;
pub mod wasm;
pub mod world;

pub mod cases;
pub mod http;

pub mod config;

pub mod app;
pub mod lifecycle;
pub mod ready;
pub mod reload;

pub mod cli;
#[cfg(any(test, feature = "fuzz"))]
pub mod fuzz;
