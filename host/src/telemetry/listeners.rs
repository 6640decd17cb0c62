//! What happens at the listeners before anybody is asked who they are.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use crate::domain::Timestamp;

/// The listeners that a host can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListenerName {
    Events,
    Notifications,
    Admin,
}

impl ListenerName {
    pub const ALL: [Self; 3] = [Self::Events, Self::Notifications, Self::Admin];

    /// As its section of the configuration is named.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::Notifications => "notifications",
            Self::Admin => "admin",
        }
    }
}

/// What a caller can run into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// Too many connections in all.
    Connections,
    /// Too many of one address.
    PerAddress,
    /// Too many requests under way.
    Concurrency,
    HandshakeTime,
    /// A handshake that ended badly: no TLS, no version in common, or no good certificate.
    Handshake,
    HeaderTime,
    /// Too many headers, or too large ones.
    HeaderSize,
    /// What is not HTTP/1.1.
    Malformed,
    BodyTime,
    BodySize,
    /// For the caller to take its answer.
    AnswerTime,
}

impl Limit {
    pub const ALL: [Self; 11] = [
        Self::Connections,
        Self::PerAddress,
        Self::Concurrency,
        Self::HandshakeTime,
        Self::Handshake,
        Self::HeaderTime,
        Self::HeaderSize,
        Self::Malformed,
        Self::BodyTime,
        Self::BodySize,
        Self::AnswerTime,
    ];

    pub const fn word(self) -> &'static str {
        match self {
            Self::Connections => "connections",
            Self::PerAddress => "per-address",
            Self::Concurrency => "concurrency",
            Self::HandshakeTime => "handshake-time",
            Self::Handshake => "handshake",
            Self::HeaderTime => "header-time",
            Self::HeaderSize => "header-size",
            Self::Malformed => "malformed",
            Self::BodyTime => "body-time",
            Self::BodySize => "body-size",
            Self::AnswerTime => "answer-time",
        }
    }
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfListener {
    listener: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ListenerLimit {
    listener: &'static str,
    limit: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ListenerResult {
    listener: &'static str,
    result: &'static str,
}

/// The series of all listeners.
#[derive(Default)]
pub struct Listeners {
    open: Family<OfListener, Gauge>,
    limited: Family<ListenerLimit, Counter>,
    certificate_until: Family<OfListener, Gauge>,
    certificates: Family<ListenerResult, Counter>,
}

impl Listeners {
    pub(super) fn register(&self, all: &mut Registry) {
        all.register("connections", "Connections that are open", self.open.clone());
        all.register("limited", "Callers who ran into a limit", self.limited.clone());
        all.register_with_unit(
            "certificate_end_timestamp",
            "When the certificate of a listener ends",
            Unit::Seconds,
            self.certificate_until.clone(),
        );
        all.register("certificates", "Changed files of TLS", self.certificates.clone());
    }

    /// Makes every series of a listener present from the start.
    pub fn expect(&self, listener: ListenerName) {
        drop(self.open.get_or_create(&OfListener { listener: listener.word() }));
        for limit in Limit::ALL {
            drop(self.limited.get_or_create(&label(listener, limit)));
        }
    }

    /// A connection that is open until the value is dropped.
    pub fn opened(&self, listener: ListenerName) -> Open {
        let gauge = self.open.get_or_create_owned(&OfListener { listener: listener.word() });
        gauge.inc();
        Open(gauge)
    }

    /// The end of the certificate that a listener shows, and its series of those that follow.
    pub fn shows(&self, listener: ListenerName, until: Timestamp) {
        let listener = listener.word();
        self.certificate_until.get_or_create(&OfListener { listener }).set(until.millis() / 1000);
        for result in ["taken", "refused"] {
            drop(self.certificates.get_or_create(&ListenerResult { listener, result }));
        }
    }

    /// `taken` or `refused`: what became of changed files.
    pub fn certificate(&self, listener: ListenerName, result: &'static str) {
        self.certificates.get_or_create(&ListenerResult { listener: listener.word(), result }).inc();
    }

    pub fn limited(&self, listener: ListenerName, limit: Limit) {
        self.limited.get_or_create(&label(listener, limit)).inc();
    }
}

fn label(listener: ListenerName, limit: Limit) -> ListenerLimit {
    ListenerLimit { listener: listener.word(), limit: limit.word() }
}

/// An open connection, counted.
pub struct Open(Gauge);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.dec();
    }
}
