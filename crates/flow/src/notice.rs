//! What another detector said.

use std::net::IpAddr;

use crate::{Key, Time};

/// An alert or notice of another detector, as its log tells it: Suricata's `alert` events, Zeek's notice.log.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    /// When it was raised.
    pub time: Time,
    /// Who raised it: `suricata`, `zeek`.
    pub reporter: &'static str,
    /// What it found: the signature or the kind of notice.
    pub name: Box<str>,
    /// What it says of it in words, or the signature's category; empty where it says no more.
    pub detail: Box<str>,
    /// Its own severity, 1 the most urgent, where it has one.
    pub severity: Option<u8>,
    /// Whose packet or doing it was, where it says so.
    pub source: Option<IpAddr>,
    /// To whom it was sent or done, where it says so.
    pub target: Option<IpAddr>,
    /// The conversation, originator first, where it concerns one.
    pub key: Option<Key>,
    /// The source's name for the conversation, which its flow has too.
    pub id: Option<Box<str>>,
}
