//! Alerts, what became of them, and their way to sinks.

mod folder;

use alert::sink::Occasion;
use alert::{Alert, Behaviour, Finding, Incident, Scope, Severity, Suppression, Technique, Verdict};
use folder::{Folder, alert, flow, time};
use store::{Filter, Hits, Kept, Label, Reader, Store};

fn alerts(range: std::ops::Range<u64>) -> Vec<Alert> {
    range.map(alert).collect()
}

/// All pages of so many alerts, one behind the other.
fn all(reader: &Reader, filter: &Filter, limit: usize) -> Vec<Kept> {
    let (mut kept, mut after) = (Vec::new(), None);
    loop {
        let page = reader.page(filter, after.as_deref(), limit).unwrap();
        assert!(page.alerts.len() == limit || page.next.is_none());
        kept.extend(page.alerts);
        after = page.next;
        if after.is_none() {
            return kept;
        }
    }
}

fn ids(kept: &[Kept]) -> Vec<&str> {
    kept.iter().map(|kept| kept.alert.id.as_str()).collect()
}

fn suppression() -> Suppression {
    let scope = Scope { behaviour: Some(Behaviour::PortScan), ..Scope::default() };
    Suppression { id: 0, scope, reason: "ours".into(), owner: "ann".into(), created: time(0), expires: None }
}

#[test]
fn an_alert_is_read_back_as_it_was_put() {
    let folder = Folder::new("back");
    let mut store = folder.store();
    store.put(&alerts(0..50)).unwrap();
    for number in 0..50 {
        assert_eq!(store.alert(&alert(number).id).unwrap().unwrap().alert, alert(number));
    }
    assert_eq!(store.alert("0123456789abcdef").unwrap(), None);
    assert!(store.alert("' OR 1").is_err());
}

#[test]
fn every_filter_gives_what_a_walk_over_all_alerts_gives() {
    let folder = Folder::new("filters");
    let mut store = folder.store();
    let alerts = alerts(0..500);
    store.put(&alerts).unwrap();
    let hidden: Vec<&str> = alerts.iter().step_by(4).map(|alert| alert.id.as_str()).collect();
    let suppression = store.add_suppression(&suppression(), "ann", time(0)).unwrap();
    store.hide(&hidden, suppression).unwrap();
    let incident = Incident {
        id: "00000000000000aa".into(),
        start: time(0),
        end: time(500),
        severity: Severity::High,
        score: 0.5,
        hosts: Vec::new(),
        tactics: Vec::new(),
        taken_over: Vec::new(),
        alerts: alerts[30..300].iter().map(|alert| alert.id.clone()).collect(),
        summary: String::new(),
    };
    store.put_incidents(std::slice::from_ref(&incident)).unwrap();

    let hosts = [None, Some([10, 0, 0, 3].into()), Some([10, 1, 0, 5].into()), Some([9, 9, 9, 9].into())];
    let severities = [None, Some(Severity::Medium), Some(Severity::Critical)];
    let kinds = [
        (None, None),
        (Some(Technique::PasswordGuessing), None),
        (None, Some(Behaviour::Anomaly)),
        (Some(Technique::PasswordGuessing), Some(Behaviour::Anomaly)),
    ];
    let spans = [(None, None), (Some(time(100)), Some(time(333)))];
    let incidents = [None, Some(incident.id.clone()), Some("00000000000000ff".to_owned())];
    for (host, severity, (technique, behaviour), (since, until), incident_id) in hosts.into_iter().flat_map(|host| {
        let incidents = &incidents;
        severities.into_iter().flat_map(move |severity| {
            kinds.into_iter().flat_map(move |kind| {
                spans.into_iter().flat_map(move |span| incidents.iter().map(move |it| (host, severity, kind, span, it)))
            })
        })
    }) {
        for (with_hidden, hidden_by) in [(false, None), (true, None), (false, Some(suppression))] {
            let incident_id = incident_id.clone();
            let filter = Filter {
                since,
                until,
                host,
                severity,
                technique,
                behaviour,
                incident: incident_id,
                hidden_by,
                with_hidden,
            };
            let is_wanted = |alert: &&Alert| {
                let is_hidden = hidden.contains(&alert.id.as_str());
                since.is_none_or(|since| since <= alert.start)
                    && until.is_none_or(|until| alert.start < until)
                    && host.is_none_or(|host| alert.hosts.iter().any(|of| of.address == host))
                    && severity.is_none_or(|least| alert.severity >= least)
                    && technique.is_none_or(|technique| alert.technique == Some(technique))
                    && behaviour.is_none_or(|behaviour| alert.behaviour == behaviour)
                    && filter
                        .incident
                        .as_ref()
                        .is_none_or(|id| *id == incident.id && incident.alerts.contains(&alert.id))
                    && (with_hidden || is_hidden == hidden_by.is_some())
            };
            let wanted: Vec<&str> = alerts.iter().rev().filter(is_wanted).map(|alert| alert.id.as_str()).collect();
            assert_eq!(ids(&all(&store, &filter, 7)), wanted, "{filter:?}");
        }
    }
}

#[test]
fn alerts_that_start_at_once_are_all_on_some_page() {
    let folder = Folder::new("at-once");
    let mut store = folder.store();
    let at_once: Vec<Alert> = (0..300).map(|number| Alert { start: time(7), ..alert(number) }).collect();
    store.put(&at_once).unwrap();
    assert_eq!(all(&store, &Filter::default(), 13).len(), 300);
    let before = Filter { until: Some(time(7)), ..Filter::default() };
    assert!(all(&store, &before, 13).is_empty());
}

#[test]
fn an_alert_put_again_is_replaced_and_only_what_is_new_is_a_change() {
    let folder = Folder::new("again");
    let mut store = folder.store();
    store.put(&alerts(0..10)).unwrap();
    assert_eq!(store.last_change().unwrap(), 10);
    store.put(&alerts(0..10)).unwrap();
    assert_eq!(store.last_change().unwrap(), 10);

    let mut grown = alert(3);
    grown.severity = Severity::Critical;
    grown.hosts.truncate(1);
    grown.flows = 1000;
    store.put(std::slice::from_ref(&grown)).unwrap();
    let kept = store.alert(&grown.id).unwrap().unwrap();
    assert_eq!((&kept.alert, kept.change), (&grown, 11));
    let of_host = |host: [u8; 4]| {
        let filter = Filter { host: Some(host.into()), ..Filter::default() };
        ids(&all(&store, &filter, 100)).contains(&grown.id.as_str())
    };
    assert!(of_host([10, 0, 0, 3]) && !of_host([10, 1, 0, 3]));
    let critical = Filter { severity: Some(Severity::Critical), ..Filter::default() };
    assert!(ids(&all(&store, &critical, 100)).contains(&grown.id.as_str()));
    assert_eq!(store.alert_count().unwrap(), 10);
}

#[test]
fn a_put_that_fails_keeps_nothing_of_it() {
    let folder = Folder::new("fails");
    let mut store = folder.store();
    let wrong = Alert { id: "no identifier".into(), ..alert(2) };
    assert!(store.put(&[alert(1), wrong]).is_err());
    let not_a_number = Alert { score: f64::NAN, ..alert(3) };
    assert!(store.put(&[alert(1), not_a_number]).is_err());
    assert_eq!((store.alert_count().unwrap(), store.last_change().unwrap()), (0, 0));
}

#[test]
fn days_are_counted_by_severity_and_by_what_is_hidden() {
    let folder = Folder::new("days");
    let mut store = folder.store();
    let alerts: Vec<Alert> = (0..100).map(|number| alert(number * 3600)).collect();
    store.put(&alerts).unwrap();
    store.hide(&[&alerts[0].id], 1).unwrap();
    let days = store.days(time(0), time(100 * 3600)).unwrap();
    let (shown, hidden): (u64, u64) = days.iter().fold((0, 0), |sum, day| (sum.0 + day.shown, sum.1 + day.hidden));
    assert_eq!((shown, hidden, days[0].hidden), (99, 1, 1));
    let one = store.days(time(30 * 3600), time(30 * 3600)).unwrap();
    let of_day = alerts.iter().filter(|alert| {
        alert.start.nanoseconds().div_euclid(86_400_000_000_000) * 86_400_000_000_000 == one[0].day.nanoseconds()
    });
    assert_eq!(one.iter().map(|day| day.shown + day.hidden).sum::<u64>(), of_day.count() as u64);
}

#[test]
fn a_sink_that_fails_gets_everything_later_and_delays_no_other() {
    let folder = Folder::new("outbox");
    let mut store = folder.store();
    store.put(&alerts(0..5)).unwrap();
    store.subscribe("all", 0).unwrap();
    store.subscribe("new", store.last_change().unwrap()).unwrap();
    store.put(&alerts(5..8)).unwrap();
    let pending = |store: &Store, sink: &str| -> Vec<u64> {
        store.pending(sink, 100).unwrap().into_iter().map(|(_, _, alert)| alert.flows).collect()
    };
    assert_eq!(pending(&store, "all"), [0, 1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(pending(&store, "new"), [5, 6, 7]);
    let (change, ..) = store.pending("new", 2).unwrap().pop().unwrap();
    store.delivered("new", change).unwrap();
    // What is said late or twice does not send anything again.
    store.delivered("new", change - 1).unwrap();
    assert_eq!(pending(&store, "new"), [7]);
    assert_eq!(pending(&store, "all").len(), 8);
    // An alert that changes goes out again, as it is now.
    store.put(&[Alert { score: 1.0, ..alert(5) }]).unwrap();
    assert_eq!(pending(&store, "new"), [7, 5]);
    store.hide(&[alert(7).id], 1).unwrap();
    assert_eq!(pending(&store, "new"), [5]);
    store.show(&[alert(7).id]).unwrap();
    assert_eq!(pending(&store, "new"), [5, 7]);
    // Subscribing again loses nothing.
    store.subscribe("new", store.last_change().unwrap()).unwrap();
    assert_eq!(pending(&store, "new"), [5, 7]);
    assert!(store.pending("unknown", 1).is_err() && store.delivered("unknown", 1).is_err());
}

#[test]
fn what_is_hidden_stays_hidden_when_it_is_put_again() {
    let folder = Folder::new("hidden");
    let mut store = folder.store();
    store.put_hidden(&[alert(1)], 9).unwrap();
    store.put(&[Alert { score: 1.0, ..alert(1) }]).unwrap();
    assert_eq!(store.alert(&alert(1).id).unwrap().unwrap().suppressed_by, Some(9));
    assert_eq!(store.page(&Filter::default(), None, 10).unwrap().alerts, []);
}

#[test]
fn alerts_move_between_incidents_and_an_empty_incident_goes() {
    let folder = Folder::new("incidents");
    let mut store = folder.store();
    store.put(&alerts(0..6)).unwrap();
    let incident = |id: &str, range: std::ops::Range<u64>| Incident {
        id: id.into(),
        start: time(range.start as i64),
        end: time(99),
        severity: Severity::High,
        score: 0.25,
        hosts: alert(1).hosts,
        tactics: Vec::new(),
        taken_over: Vec::new(),
        alerts: alerts(range).into_iter().map(|alert| alert.id).collect(),
        summary: "a story".into(),
    };
    let [one, two] = [incident("000000000000000a", 0..3), incident("000000000000000b", 3..5)];
    store.put_incidents(&[one.clone(), two.clone()]).unwrap();
    assert_eq!(store.incident(&one.id).unwrap().as_ref(), Some(&one));
    assert_eq!(store.incidents(None, 10).unwrap(), [two.clone(), one.clone()]);
    assert_eq!(store.incidents(Some(two.start), 10).unwrap(), std::slice::from_ref(&one));
    assert_eq!(store.alert(&alert(4).id).unwrap().unwrap().incident.as_ref(), Some(&two.id));

    let both = incident("000000000000000a", 0..5);
    store.put_incidents(std::slice::from_ref(&both)).unwrap();
    assert_eq!(store.incidents(None, 10).unwrap(), [both]);
    assert_eq!(store.incident(&two.id).unwrap(), None);
    let unknown = Incident { alerts: vec!["00000000000000ff".into()], ..two };
    assert!(store.put_incidents(&[unknown]).unwrap_err().to_string().contains("not kept"));
}

#[test]
fn every_verdict_is_kept_and_the_latest_counts() {
    let folder = Folder::new("verdicts");
    let mut store = folder.store();
    store.put(&alerts(0..3)).unwrap();
    let verdict = |number, finding, seconds| Verdict {
        alert: alert(number).id,
        finding,
        note: "seen".into(),
        by: "ann".into(),
        time: time(seconds),
    };
    let said = [verdict(1, Finding::True, 1), verdict(2, Finding::Benign, 2), verdict(1, Finding::False, 3)];
    said.iter().for_each(|verdict| store.put_verdict(verdict).unwrap());
    assert_eq!(store.verdicts(&alert(1).id).unwrap(), [said[0].clone(), said[2].clone()]);
    assert_eq!(store.alert(&alert(1).id).unwrap().unwrap().verdict.as_ref(), Some(&said[2]));
    assert_eq!(store.latest_verdicts().unwrap(), said[1..]);
    assert!(store.put_verdict(&verdict(9, Finding::True, 4)).is_err());
}

#[test]
fn suppressions_have_numbers_of_their_own_a_history_and_hits() {
    let folder = Folder::new("suppressions");
    let mut store = folder.store();
    let one = store.add_suppression(&suppression(), "ann", time(1)).unwrap();
    let two = store.add_suppression(&suppression(), "ann", time(2)).unwrap();
    assert!(one != two);
    let changed = Suppression { id: one, expires: Some(time(100)), ..suppression() };
    store.change_suppression(&changed, "bob", time(3)).unwrap();
    store.end_suppression(two, "bob", time(4)).unwrap();
    assert_eq!(store.suppressions().unwrap(), std::slice::from_ref(&changed));
    assert_eq!(store.suppression(two).unwrap(), None);
    let history = store.suppression_history(one).unwrap();
    assert_eq!(history.iter().map(|change| change.by.as_str()).collect::<Vec<_>>(), ["ann", "bob"]);
    assert_eq!(history[1].suppression, Some(changed.clone()));
    assert_eq!(store.suppression_history(two).unwrap()[1].suppression, None);
    assert!(store.end_suppression(two, "bob", time(5)).is_err() && store.end_suppression(77, "bob", time(5)).is_err());
    assert!(store.change_suppression(&Suppression { id: two, ..changed }, "bob", time(5)).is_err());

    let hits = |count, seconds| Hits { suppression: one, count, last: Some(time(seconds)) };
    store.add_hits(&[hits(2, 50), hits(3, 40)]).unwrap();
    assert_eq!(store.hits().unwrap()[0], hits(5, 50));
    assert_eq!(store.hits().unwrap()[1], Hits { suppression: two, count: 0, last: None });
    // A number is not given out twice, not even of what was ended last.
    assert!(store.add_suppression(&suppression(), "ann", time(6)).unwrap() > two);
}

#[test]
fn what_was_confirmed_keeps_its_flows() {
    let folder = Folder::new("labels");
    let mut store = folder.store();
    let label =
        |kind: &str, flows| Label { alert: alert(1).id, kind: kind.into(), by: "ann".into(), time: time(1), flows };
    let flows: Vec<_> = (0..10).map(flow).collect();
    store.put_label(&label("scan", 10), &flows).unwrap();
    assert_eq!(store.labels().unwrap(), [label("scan", 10)]);
    store.put_label(&label("tunnel", 5), &flows[..5]).unwrap();
    store.put_label(&label("beacon", 4), &flows[..4]).unwrap();
    assert_eq!(store.labels().unwrap(), [label("beacon", 4)]);
    let kept = store.labelled_flows(&alert(1).id).unwrap();
    assert_eq!(kept.len(), 4);
    assert!(kept.iter().all(|flow| flow.label == Some(flow::Label::new("beacon"))));
    let files = || std::fs::read_dir(folder.path().join("labels")).unwrap().count();
    assert_eq!(files(), 1);
    store.remove_label(&alert(1).id).unwrap();
    assert_eq!((store.labels().unwrap().len(), files()), (0, 0));
    store.check().unwrap();
}

#[test]
fn small_things_are_kept_by_their_name() {
    let folder = Folder::new("settings");
    let mut store = folder.store();
    assert_eq!(store.setting::<Vec<f64>>("calibration").unwrap(), None);
    store.set("calibration", &[0.1, 0.2]).unwrap();
    store.set("calibration", &[0.3]).unwrap();
    assert_eq!(store.setting::<Vec<f64>>("calibration").unwrap(), Some(vec![0.3]));
    store.unset("calibration").unwrap();
    assert_eq!(store.setting::<Vec<f64>>("calibration").unwrap(), None);
}

#[test]
fn a_sink_is_told_why_and_not_told_that_words_grew() {
    let folder = Folder::new("occasions");
    let mut store = folder.store();
    store.subscribe("sink", 0).unwrap();
    let pending = |store: &Store| -> Vec<(u64, Occasion)> {
        let waiting = store.pending("sink", 9).unwrap();
        waiting.into_iter().map(|(_, occasion, alert)| (alert.flows, occasion)).collect()
    };
    store.put(&alerts(1..3)).unwrap();
    store.delivered("sink", store.last_change().unwrap()).unwrap();
    let grown = Alert { summary: "longer".to_owned(), ..alert(1) };
    store.update(&[grown.clone(), alert(3)]).unwrap();
    assert_eq!(store.alert(&grown.id).unwrap().unwrap().alert, grown);
    assert_eq!(pending(&store), [(3, Occasion::First)]);
    store.put(&[Alert { score: 1.0, ..alert(2) }]).unwrap();
    // Another process may say so, while this one keeps flows.
    let mut beside = Store::beside(folder.path()).unwrap();
    let (alert, by) = (grown.id, "me".to_owned());
    beside.put_verdict(&Verdict { alert, finding: Finding::True, note: String::new(), by, time: time(0) }).unwrap();
    assert_eq!(pending(&store), [(3, Occasion::First), (2, Occasion::Again), (1, Occasion::Confirmed)]);
    assert!(beside.append(&[], &[], time(0)).is_err());
}
