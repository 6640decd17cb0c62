//! One file per promise. The neighbours are simulators; everything else is real: the program as
//! a process, SQLite on a disk, sockets, components in the sandbox, SIGKILL.

mod harness;

mod adapters;
mod configuration;
mod crash;
mod doors;
mod events;
mod guests;
mod happy_path;
mod journal_contract;
mod lanes;
mod listeners;
mod notifications;
mod portabilling;
mod tidy;
