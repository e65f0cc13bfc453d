//! The columns that say more of who talked, where they are asked for: not features, and no detector learns from them.

use std::borrow::Cow;

use clap::ValueEnum;
use flow::{Application, Flow, community_id, printable};

/// A column that stands before the features where it is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Column {
    /// What happened, in Zeek's letters
    History,
    /// The innermost tunnel and its network
    Tunnel,
    /// The outer VLAN
    Vlan,
    /// The source's own name: Zeek's uid, Suricata's flow_id
    Id,
    /// The Community ID, under which Zeek, Suricata and Wireshark know it
    CommunityId,
    /// The server asked for: of TLS, QUIC and HTTP
    ServerName,
}

/// The columns asked for, in their order.
pub(crate) struct Columns {
    columns: Vec<Column>,
    seed: u16,
}

impl Columns {
    /// Each column once; `seed` is the Community ID's.
    pub(crate) fn new(asked: &[Column], seed: u16) -> Columns {
        let mut columns = Vec::new();
        for &column in asked {
            if !columns.contains(&column) {
                columns.push(column);
            }
        }
        Columns { columns, seed }
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> {
        self.columns.iter().map(|column| column.name())
    }

    /// What the flow has of each column.
    pub(crate) fn cells<'a>(&'a self, flow: &'a Flow) -> impl Iterator<Item = Option<Cow<'a, str>>> {
        self.columns.iter().map(move |column| match column {
            Column::History => flow.history.as_ref().map(|history| printable(history.as_str())),
            Column::Tunnel => flow.tunnel.map(|tunnel| tunnel.to_string().into()),
            Column::Vlan => flow.vlan.map(|vlan| vlan.to_string().into()),
            Column::Id => flow.id.as_deref().map(printable),
            Column::CommunityId => community_id(&flow.key, self.seed).map(Cow::from),
            Column::ServerName => server_name(flow).map(printable),
        })
    }

    /// Appends a cell a column, each behind a comma.
    pub(crate) fn write(&self, text: &mut Vec<u8>, flow: &Flow) {
        for cell in self.cells(flow) {
            text.push(b',');
            write_text(text, &cell.unwrap_or_default());
        }
    }
}

impl Column {
    fn name(self) -> &'static str {
        match self {
            Column::History => "history",
            Column::Tunnel => "tunnel",
            Column::Vlan => "vlan",
            Column::Id => "id",
            Column::CommunityId => "community_id",
            Column::ServerName => "server_name",
        }
    }
}

fn server_name(flow: &Flow) -> Option<&str> {
    match flow.application.as_deref()? {
        Application::Tls(tls) | Application::Quic(tls) => tls.server_name.as_deref(),
        Application::Http(http) => http.host.as_deref(),
        _ => None,
    }
}

/// Writes text, in quotes where it would end its cell (RFC 4180 s.2).
fn write_text(text: &mut Vec<u8>, shown: &str) {
    if shown.contains([',', '"']) {
        text.push(b'"');
        text.extend_from_slice(shown.replace('"', "\"\"").as_bytes());
        text.push(b'"');
    } else {
        text.extend_from_slice(shown.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use flow::{Endpoint, Http, Key, Protocol, Time};

    use super::*;

    fn row(asked: &[Column], flow: &Flow) -> String {
        let mut text = Vec::new();
        Columns::new(asked, 0).write(&mut text, flow);
        String::from_utf8(text).expect("cells are text")
    }

    #[test]
    fn hostile_text_stays_in_its_cell() {
        let end = |last, port| Endpoint::new([192, 0, 2, last].into(), port);
        let key = Key { originator: end(1, 50_000), responder: end(2, 80), protocol: Protocol::Tcp };
        let time = Time::from_nanoseconds(0);
        let host = Some("a\",\"b\n\u{1b}[2J".into());
        let flow = Flow {
            id: Some("C,1".into()),
            vlan: Some(7),
            application: Some(Box::new(Application::Http(Http { host, ..Http::default() }))),
            ..Flow::between(key, time, time)
        };
        let asked = [Column::Id, Column::ServerName, Column::Vlan, Column::History, Column::Id];
        let written = row(&asked, &flow);
        assert_eq!(written, ",\"C,1\",\"a\"\",\"\"b\\n\\u{1b}[2J\",7,");
        let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(written.as_bytes());
        let cells = reader.records().next().expect("a row").expect("a readable one");
        assert_eq!(cells.iter().collect::<Vec<_>>(), ["", "C,1", "a\",\"b\\n\\u{1b}[2J", "7", ""]);
    }
}
