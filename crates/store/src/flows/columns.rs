//! Which columns keep which field of a flow: the one place where a field of [`Flow`] goes to disk and comes back.
//!
//! [`record!`] lists the fields of a struct, each with its type. It takes the struct apart and puts it together without
//! `..`, so that a field which is missing here is an error of the compiler. A field that is added later must be an `Option`:
//! in files written before, it is missing.

use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;
use std::sync::Arc;

use flow::features::cic::{Bulks, Direction, Profile, Statistics};
use flow::{
    Acts, Application, Arp, Claim, Content, Country, Detail, Dhcp, Distinct, Dns, Echo, Ended, Endpoint, Flags, Flow,
    History, Http, Key, Label, Lessor, Moments, Protocol, Side, State, Time, Tls, Tunnel, TunnelKind,
};
use parquet::basic::{LogicalType, Repetition, TimeUnit, Type as Physical};
use parquet::data_type::ByteArray;
use parquet::errors::Result;
use parquet::schema::types::{Type, TypePtr};

use super::sheet::{Fault, Sheet, Values};

/// A value that is kept in one or more columns, which Parquet calls leaves.
pub(super) trait Column: Sized {
    /// How many leaves.
    const LEAVES: usize;

    /// What the schema says of it.
    fn describe(name: &str, repetition: Repetition) -> Result<TypePtr>;

    /// Writes it as the next leaves of the row.
    fn write(&self, sheet: &mut Sheet);

    /// Reads it from the next leaves of the row.
    fn read(sheet: &mut Sheet) -> Result<Self, Fault>;
}

/// The schema of a file of flows.
pub(super) fn schema() -> Result<TypePtr> {
    let root = Flow::describe("flow", Repetition::REQUIRED)?;
    Ok(Arc::new(Type::group_type_builder("flow").with_fields(root.get_fields().to_vec()).build()?))
}

/// A struct is a group of its fields.
macro_rules! record {
    ($record:ident { $($field:ident: $type:ty),* $(,)? }) => {
        impl Column for $record {
            const LEAVES: usize = 0 $(+ <$type as Column>::LEAVES)*;

            fn describe(name: &str, repetition: Repetition) -> Result<TypePtr> {
                let fields = vec![$(<$type as Column>::describe(stringify!($field), Repetition::REQUIRED)?),*];
                group(name, repetition, fields)
            }

            fn write(&self, sheet: &mut Sheet) {
                let $record { $($field),* } = self;
                $($field.write(sheet);)*
            }

            fn read(sheet: &mut Sheet) -> Result<Self, Fault> {
                $(let $field = <$type as Column>::read(sheet)?;)*
                Ok($record { $($field),* })
            }
        }
    };
}

record!(Flow {
    key: Key,
    vlan: Option<u16>,
    start: Time,
    end: Time,
    conversation_start: Time,
    tunnel: Option<Tunnel>,
    originator: Side,
    responder: Side,
    gaps: Moments,
    state: Option<State>,
    history: Option<History>,
    ended: Ended,
    application: Option<Box<Application>>,
    cic: Option<Box<Statistics>>,
    content: Option<Box<Content>>,
    id: Option<Box<str>>,
    label: Option<Label>,
});

record!(Key { originator: Endpoint, responder: Endpoint, protocol: Protocol });
record!(Endpoint { address: IpAddr, port: u16 });
record!(Tunnel { kind: TunnelKind, id: u32 });

record!(Side {
    packets: Option<u64>,
    bytes: Option<u64>,
    payload_bytes: Option<u64>,
    country: Option<Country>,
    detail: Option<Detail>,
});

record!(Detail {
    lengths: Moments,
    gaps: Moments,
    flags: Flags,
    header_bytes: u64,
    payload_packets: u32,
    retransmissions: u32,
    out_of_order: u32,
    zero_windows: u32,
    wrong_fragments: u32,
    initial_window: Option<u16>,
});

record!(Flags { fin: u32, syn: u32, rst: u32, psh: u32, ack: u32, urg: u32, ece: u32, cwr: u32 });

record!(Content {
    hot: u32,
    num_failed_logins: u32,
    logged_in: bool,
    num_compromised: u32,
    root_shell: bool,
    su_attempted: bool,
    num_root: u32,
    num_file_creations: u32,
    num_shells: u32,
    num_access_files: u32,
    num_outbound_cmds: u32,
    is_host_login: bool,
    is_guest_login: bool,
});

record!(Dns {
    query: Box<str>,
    record_type: Option<u16>,
    queries: u32,
    failures: u32,
    no_such_name: u32,
    lengths: Moments,
    labels: Moments,
    entropy: Moments,
    names: Distinct<2>,
    domains: Distinct<2>,
    data_questions: u32,
});

record!(Http {
    method: Box<str>,
    host: Option<Box<str>>,
    target: Option<Box<str>>,
    user_agent: Option<Box<str>>,
    status: Option<u16>,
});

record!(Tls {
    server_name: Option<Box<str>>,
    version: Option<u16>,
    protocol: Option<Box<str>>,
    ja4: Option<Box<str>>,
    ja3: Option<Box<str>>,
});

record!(Dhcp { discovers: u32, requests: u32, clients: Distinct<16>, servers: Vec<Lessor> });
record!(Arp { claims: Vec<Claim> });
record!(Echo { altered: u32 });

record!(Statistics {
    profile: Profile,
    directions: [Direction; 2],
    lengths: Moments,
    gaps: Moments,
    flags: Flags,
    pauses: u32,
    active: Moments,
    idle: Moments,
});

record!(Direction {
    lengths: Moments,
    gaps: Moments,
    flags: Flags,
    header_bytes: u64,
    least_header_bytes: Option<u16>,
    payload_packets: u32,
    window: Option<u16>,
    bulks: Bulks,
});

record!(Bulks { count: u32, packets: u64, bytes: u64, nanoseconds: u64 });

/// The moments of no numbers are all 0.
struct Sums {
    count: u32,
    min: u64,
    max: u64,
    sum: u64,
    squares: Wide,
}

record!(Sums { count: u32, min: u64, max: u64, sum: u64, squares: Wide });

/// A number of 128 bits, which Parquet does not have.
struct Wide {
    low: u64,
    high: u64,
}

record!(Wide { low: u64, high: u64 });

impl Column for Moments {
    const LEAVES: usize = Sums::LEAVES;

    fn describe(name: &str, repetition: Repetition) -> Result<TypePtr> {
        Sums::describe(name, repetition)
    }

    fn write(&self, sheet: &mut Sheet) {
        let squares = Wide { low: self.squares() as u64, high: (self.squares() >> 64) as u64 };
        let [min, max] = [self.min(), self.max()].map(Option::unwrap_or_default);
        Sums { count: self.count(), min, max, sum: self.sum(), squares }.write(sheet);
    }

    fn read(sheet: &mut Sheet) -> Result<Moments, Fault> {
        let Sums { count, min, max, sum, squares: Wide { low, high } } = Sums::read(sheet)?;
        Ok(Moments::of(count, [min, max], sum, u128::from(high) << 64 | u128::from(low)))
    }
}

/// What is spoken is that group which is there.
macro_rules! application {
    ($($variant:ident($type:ty) $name:literal),* $(,)?) => {
        impl Column for Application {
            const LEAVES: usize = 0 $(+ <$type as Column>::LEAVES)*;

            fn describe(name: &str, repetition: Repetition) -> Result<TypePtr> {
                group(name, repetition, vec![$(<$type as Column>::describe($name, Repetition::OPTIONAL)?),*])
            }

            fn write(&self, sheet: &mut Sheet) {
                $(write_optional(if let Application::$variant(it) = self { Some(it) } else { None }, sheet);)*
                // Names them all, so that one which is not listed is an error of the compiler.
                match self {
                    $(Application::$variant(_))|* => {}
                }
            }

            fn read(sheet: &mut Sheet) -> Result<Application, Fault> {
                let mut read = None;
                $(read = Option::<$type>::read(sheet)?.map(Application::$variant).or(read);)*
                read.ok_or_else(|| Fault::of("an application of no kind"))
            }
        }
    };
}

application! {
    Dns(Box<Dns>) "dns",
    Http(Http) "http",
    Tls(Tls) "tls",
    Quic(Tls) "quic",
    Other(Box<str>) "other",
    Smb(Acts) "smb",
    Dcerpc(Acts) "dce_rpc",
    Dhcp(Box<Dhcp>) "dhcp",
    Arp(Arp) "arp",
    Echo(Echo) "echo",
}

fn write_optional<T: Column>(value: Option<&T>, sheet: &mut Sheet) {
    match value {
        Some(value) => {
            sheet.enter();
            value.write(sheet);
            sheet.leave();
        }
        None => sheet.write_absent(T::LEAVES),
    }
}

impl<T: Column> Column for Option<T> {
    const LEAVES: usize = T::LEAVES;

    fn describe(name: &str, _: Repetition) -> Result<TypePtr> {
        T::describe(name, Repetition::OPTIONAL)
    }

    fn write(&self, sheet: &mut Sheet) {
        write_optional(self.as_ref(), sheet);
    }

    fn read(sheet: &mut Sheet) -> Result<Option<T>, Fault> {
        if !sheet.is_present(T::LEAVES) {
            sheet.skip(T::LEAVES);
            return Ok(None);
        }
        sheet.enter();
        let value = T::read(sheet)?;
        sheet.leave();
        Ok(Some(value))
    }
}

impl<T: Column> Column for Box<T> {
    const LEAVES: usize = T::LEAVES;

    fn describe(name: &str, repetition: Repetition) -> Result<TypePtr> {
        T::describe(name, repetition)
    }

    fn write(&self, sheet: &mut Sheet) {
        self.as_ref().write(sheet);
    }

    fn read(sheet: &mut Sheet) -> Result<Box<T>, Fault> {
        T::read(sheet).map(Box::new)
    }
}

/// Two of a kind are those of originator and responder.
impl<T: Column> Column for [T; 2] {
    const LEAVES: usize = 2 * T::LEAVES;

    fn describe(name: &str, repetition: Repetition) -> Result<TypePtr> {
        let both = ["originator", "responder"].map(|name| T::describe(name, Repetition::REQUIRED));
        group(name, repetition, both.into_iter().collect::<Result<_>>()?)
    }

    fn write(&self, sheet: &mut Sheet) {
        self.iter().for_each(|one| one.write(sheet));
    }

    fn read(sheet: &mut Sheet) -> Result<[T; 2], Fault> {
        Ok([T::read(sheet)?, T::read(sheet)?])
    }
}

/// Whole numbers: of Parquet's two widths, which are signed, with a note that they are not.
macro_rules! number {
    ($($type:ident as $stored:ident, $values:ident, $physical:ident, $bits:literal;)*) => {$(
        impl Column for $type {
            const LEAVES: usize = 1;

            fn describe(name: &str, repetition: Repetition) -> Result<TypePtr> {
                leaf(name, repetition, Physical::$physical, Some(LogicalType::integer($bits, false)))
            }

            fn write(&self, sheet: &mut Sheet) {
                let number = *self as $stored;
                sheet.write(|values| if let Values::$values(values) = values { values.push(number); });
            }

            fn read(sheet: &mut Sheet) -> Result<$type, Fault> {
                let number = sheet.read(|values, at| match values {
                    Values::$values(values) => values.get(at).copied(),
                    _ => None,
                })?;
                // The stored number is wider or as wide, so this gives back what `write` was given.
                Ok(number as $type)
            }
        }
    )*};
}

number! {
    u16 as i32, Integers, INT32, 16;
    u32 as i32, Integers, INT32, 32;
    u64 as i64, Longs, INT64, 64;
}

impl Column for Time {
    const LEAVES: usize = 1;

    fn describe(name: &str, repetition: Repetition) -> Result<TypePtr> {
        leaf(name, repetition, Physical::INT64, Some(LogicalType::timestamp(true, TimeUnit::NANOS)))
    }

    fn write(&self, sheet: &mut Sheet) {
        (self.nanoseconds() as u64).write(sheet);
    }

    fn read(sheet: &mut Sheet) -> Result<Time, Fault> {
        Ok(Time::from_nanoseconds(u64::read(sheet)? as i64))
    }
}

impl Column for bool {
    const LEAVES: usize = 1;

    fn describe(name: &str, repetition: Repetition) -> Result<TypePtr> {
        leaf(name, repetition, Physical::BOOLEAN, None)
    }

    fn write(&self, sheet: &mut Sheet) {
        sheet.write(|values| {
            if let Values::Truths(values) = values {
                values.push(*self);
            }
        });
    }

    fn read(sheet: &mut Sheet) -> Result<bool, Fault> {
        sheet.read(|values, at| match values {
            Values::Truths(values) => values.get(at).copied(),
            _ => None,
        })
    }
}

/// What is kept as text: how it is written, and how it is read.
macro_rules! text {
    ($($type:ty: $write:expr, $read:expr;)*) => {$(
        impl Column for $type {
            const LEAVES: usize = 1;

            fn describe(name: &str, repetition: Repetition) -> Result<TypePtr> {
                leaf(name, repetition, Physical::BYTE_ARRAY, Some(LogicalType::String))
            }

            fn write(&self, sheet: &mut Sheet) {
                let write: fn(&$type, &mut Sheet) -> ByteArray = $write;
                let text = write(self, sheet);
                sheet.write(|values| if let Values::Texts(values) = values { values.push(text); });
            }

            fn read(sheet: &mut Sheet) -> Result<$type, Fault> {
                sheet.read_text(|text| {
                    let read: fn(&str) -> Option<$type> = $read;
                    read(text)
                })
            }
        }
    )*};
}

text! {
    Box<str>: |text, _| text.as_bytes().to_vec().into(), |text| Some(text.into());
    IpAddr: |address, sheet| sheet.address(*address), |text| text.parse().ok();
    Label: |label, _| label.name().as_bytes().to_vec().into(), |text| Some(Label::new(text));
    History: |history, _| history.as_str().as_bytes().to_vec().into(), |text| Some(History::of(text));
    Country: |country, _| country.code().as_bytes().to_vec().into(), Country::from_code;
    State: |state, _| fixed(state.name()), State::from_name;
    Protocol: protocol, |text| text.parse().ok();
    Vec<Claim>: |claims, _| listed(claims, claim_text), |text| list(text, claim);
    Vec<Lessor>: |lessors, _| listed(lessors, lessor_text), |text| list(text, lessor);
    Distinct<2>: |count, _| words_text(&count.words()), |text| words(text).map(Distinct::of_words);
    Distinct<16>: |count, _| words_text(&count.words()), |text| words(text).map(Distinct::of_words);
}

impl Column for Acts {
    const LEAVES: usize = u16::LEAVES;

    fn describe(name: &str, repetition: Repetition) -> Result<TypePtr> {
        u16::describe(name, repetition)
    }

    fn write(&self, sheet: &mut Sheet) {
        self.bits().write(sheet);
    }

    fn read(sheet: &mut Sheet) -> Result<Acts, Fault> {
        u16::read(sheet).map(Acts::from_bits)
    }
}

/// A short list, its items parted by commas.
fn listed<T>(items: &[T], text: fn(&T) -> String) -> ByteArray {
    items.iter().map(text).collect::<Vec<String>>().join(",").into_bytes().into()
}

fn list<T>(text: &str, item: fn(&mut Fields<'_>) -> Option<T>) -> Option<Vec<T>> {
    if text.is_empty() {
        return Some(Vec::new());
    }
    let whole = |part: &str| {
        let mut fields = Fields(part.split('/'));
        item(&mut fields).filter(|_| fields.0.next().is_none())
    };
    text.split(',').map(whole).collect()
}

/// The fields of an item of a list, parted by slashes.
struct Fields<'a>(std::str::Split<'a, char>);

impl Fields<'_> {
    fn next<T: FromStr>(&mut self) -> Option<T> {
        self.0.next()?.parse().ok()
    }

    /// What may be missing, and then is empty.
    fn optional<T: FromStr>(&mut self) -> Option<Option<T>> {
        match self.0.next()? {
            "" => Some(None),
            text => text.parse().ok().map(Some),
        }
    }
}

fn claim_text(claim: &Claim) -> String {
    let Claim { address, hardware, requests, replies, first, last } = claim;
    let hardware = hardware.iter().fold(0, |number: u64, byte| number << 8 | u64::from(*byte));
    let [first, last] = [first, last].map(|time| time.nanoseconds());
    format!("{address}/{hardware}/{requests}/{replies}/{first}/{last}")
}

fn claim(fields: &mut Fields<'_>) -> Option<Claim> {
    let address: Ipv4Addr = fields.next()?;
    let [_, _, hardware @ ..] = fields.next::<u64>()?.to_be_bytes();
    let (requests, replies) = (fields.next()?, fields.next()?);
    let (first, last) = (Time::from_nanoseconds(fields.next()?), Time::from_nanoseconds(fields.next()?));
    Some(Claim { address, hardware, requests, replies, first, last })
}

fn lessor_text(lessor: &Lessor) -> String {
    let Lessor { server, router, name_server, offers } = lessor;
    let text = |address: &Option<Ipv4Addr>| address.map_or_else(String::new, |address| address.to_string());
    format!("{server}/{}/{}/{offers}", text(router), text(name_server))
}

fn lessor(fields: &mut Fields<'_>) -> Option<Lessor> {
    let (server, router, name_server) = (fields.next()?, fields.optional()?, fields.optional()?);
    Some(Lessor { server, router, name_server, offers: fields.next()? })
}

fn words_text(words: &[u64]) -> ByteArray {
    words.iter().map(|word| format!("{word:016x}")).collect::<String>().into_bytes().into()
}

fn words<const WORDS: usize>(text: &str) -> Option<[u64; WORDS]> {
    let mut words = [0; WORDS];
    let is_whole = text.len() == 16 * WORDS && text.is_ascii();
    for (place, word) in words.iter_mut().enumerate().filter(|_| is_whole) {
        *word = u64::from_str_radix(text.get(16 * place..16 * (place + 1))?, 16).ok()?;
    }
    is_whole.then_some(words)
}

fn protocol(protocol: &Protocol, _: &mut Sheet) -> ByteArray {
    match protocol {
        Protocol::Tcp => fixed("tcp"),
        Protocol::Udp => fixed("udp"),
        other => other.to_string().into_bytes().into(),
    }
}

/// An enum whose variants have each a name that stays.
macro_rules! words {
    ($type:ident { $($variant:ident: $name:literal),* $(,)? }) => {
        text! {
            $type:
            |word, _| match word { $($type::$variant => fixed($name)),* },
            |text| match text { $($name => Some($type::$variant),)* _ => None };
        }
    };
}

words!(Ended {
    Closed: "closed",
    Idle: "idle",
    Active: "active",
    Evicted: "evicted",
    Input: "input",
    Unknown: "unknown"
});
words!(TunnelKind {
    Gre: "gre",
    Erspan: "erspan",
    Ip: "ip",
    Vxlan: "vxlan",
    Geneve: "geneve",
    Mpls: "mpls",
    Pppoe: "pppoe",
    GtpU: "gtp-u",
});
words!(Profile { Fixed: "fixed", Compat2017: "compat-2017" });

fn fixed(text: &'static str) -> ByteArray {
    bytes::Bytes::from_static(text.as_bytes()).into()
}

fn group(name: &str, repetition: Repetition, fields: Vec<TypePtr>) -> Result<TypePtr> {
    Ok(Arc::new(Type::group_type_builder(name).with_repetition(repetition).with_fields(fields).build()?))
}

fn leaf(name: &str, repetition: Repetition, physical: Physical, logical: Option<LogicalType>) -> Result<TypePtr> {
    let leaf = Type::primitive_type_builder(name, physical).with_logical_type(logical).with_repetition(repetition);
    Ok(Arc::new(leaf.build()?))
}
