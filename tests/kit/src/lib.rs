//! The neighbours of Punchdown, played by small servers.
//!
//! [`portabilling`] answers what a PortaBilling answers, [`espf`] sends events as
//! its EventSender does, and [`oms`] is an order management system that takes
//! orders now and tells how they ended later. [`front`] stands in front of one of
//! them and wants other credentials; [`hlr`] is a register that wants a log-in, [`soap`] a system that speaks
//! SOAP, [`pyhss`] an HSS with its PCRF, [`magoware`] an IPTV platform. All speak real HTTP, so what
//! works against them has been through a socket. Each has knobs for the faults
//! that the real one shows and a ledger of what it was asked. [`postgres`] is no player: it is the real one;
//! [`spread`] leads to several servers that are one to their callers, and [`mod@line`] to one, as badly as a test wants.
//! [`free_address`] is for whoever starts later.
//!
//! Nothing here knows Punchdown: a neighbour that did could not find its mistakes.

mod address;
mod client;
mod held;
mod lock;
mod moment;
mod server;
pub mod soap;

pub mod espf;
pub mod front;
pub mod hlr;
pub mod line;
pub mod magoware;
pub mod oms;
pub mod portabilling;
pub mod postgres;
pub mod pyhss;
pub mod spread;

pub use address::free_address;
