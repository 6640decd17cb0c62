//! One file per promise. The neighbours are simulators; everything else is real: the program as
//! a process, SQLite on a disk, sockets, components in the sandbox, SIGKILL.

mod harness;

mod adapters;
mod breaker;
mod care;
mod changes;
mod configuration;
mod crash;
mod customers;
mod demo;
mod doors;
mod doubt;
mod downtime;
mod espf_door;
mod events;
mod faults;
mod guests;
mod happy_path;
mod hostile;
mod init;
mod journal_contract;
mod journey;
mod lanes;
mod listeners;
mod looks;
mod notifications;
mod nsps;
mod online;
mod operators;
mod orders;
mod pages;
mod portabilling;
mod registrations;
mod retention;
mod rotation;
mod schema;
mod secrecy;
mod service;
mod sessions;
mod soap;
mod statuses;
mod targets;
mod tidy;
mod tls;
mod unit;
