//! Alerts arrive, over every transport, at receivers on this machine.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use alert::Alert;
use alert::sink::{Observer, Occasion};
use flow::{Duration, Time};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use sensor::config::Config;
use sensor::delivery::{Delivery, Failure, Outbox, Pending, Sink, signature};

fn sink(settings: &str) -> Sink {
    let config = Config::from_toml(&format!("[[sink]]\nname = 'test'\nleast = 'info'\n{settings}\n")).unwrap();
    Sink::open(&config.sink[0], Observer { host: "sensor".to_owned() }).unwrap()
}

fn pending(change: u64) -> Pending {
    Pending { change, occasion: Occasion::First, alert: Alert::test(Time::from_nanoseconds(change as i64)) }
}

/// A folder of its own for the test.
fn folder(test: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

#[test]
fn a_datagram_is_one_message() {
    let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = receiver.local_addr().unwrap();
    sink(&format!("kind = 'syslog-udp'\naddress = '{address}'\nformat = 'cef'")).send(&pending(1)).unwrap();
    let mut bytes = [0; 9000];
    let length = receiver.recv(&mut bytes).unwrap();
    let message = std::str::from_utf8(&bytes[..length]).unwrap();
    assert!(message.starts_with("<86>1 1970-01-01T00:00:00.000000Z sensor lapwing - reported [lapwing@32473 id="));
    assert!(message.contains("] CEF:0|Lapwing|") && message.contains("TEST"), "{message}");
}

/// One message behind its length.
fn frame(stream: &mut impl Read) -> String {
    let mut length = String::new();
    loop {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        match byte[0] {
            b' ' => break,
            digit => length.push(char::from(digit)),
        }
    }
    let mut message = vec![0; length.parse().unwrap()];
    stream.read_exact(&mut message).unwrap();
    String::from_utf8(message).unwrap()
}

#[test]
fn messages_over_tcp_are_counted_and_a_lost_connection_is_made_anew() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (told, heard) = mpsc::channel();
    let receiver = thread::spawn(move || {
        let (mut first, _) = listener.accept().unwrap();
        told.send(frame(&mut first)).unwrap();
        told.send(frame(&mut first)).unwrap();
        drop(first);
        told.send("closed".to_owned()).unwrap();
        told.send(frame(&mut listener.accept().unwrap().0)).unwrap();
    });
    let mut sink = sink(&format!("kind = 'syslog-tcp'\naddress = '{address}'"));
    let text = |alert: &Alert| format!("(id {})", alert.id);
    for change in [1, 2] {
        sink.send(&pending(change)).unwrap();
        assert!(heard.recv().unwrap().contains(&text(&pending(change).alert)));
    }
    assert_eq!(heard.recv().unwrap(), "closed");
    sink.send(&pending(3)).unwrap();
    assert!(heard.recv().unwrap().contains(&text(&pending(3).alert)));
    receiver.join().unwrap();
}

/// An authority, a certificate for `localhost` and one for the sensor, as files.
fn certificates(folder: &Path) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    std::fs::write(folder.join("ca.pem"), authority.pem()).unwrap();
    for name in ["localhost", "sensor"] {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
        std::fs::write(folder.join(format!("{name}.pem")), certificate.pem()).unwrap();
        std::fs::write(folder.join(format!("{name}.key")), key.serialize_pem()).unwrap();
    }
}

/// A server that knows its clients by certificates of the authority in the folder.
fn server(folder: &Path) -> Arc<ServerConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut trusted = RootCertStore::empty();
    trusted.add(CertificateDer::from_pem_file(folder.join("ca.pem")).unwrap()).unwrap();
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(trusted), Arc::clone(&provider)).build().unwrap();
    let chain = vec![CertificateDer::from_pem_file(folder.join("localhost.pem")).unwrap()];
    let key = PrivateKeyDer::from_pem_file(folder.join("localhost.key")).unwrap();
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    Arc::new(builder.with_client_cert_verifier(verifier).with_single_cert(chain, key).unwrap())
}

#[test]
fn messages_over_tls_reach_a_receiver_that_is_trusted_and_no_other() {
    let folder = folder("delivery-tls");
    certificates(&folder);
    std::fs::create_dir_all(folder.join("other")).unwrap();
    certificates(&folder.join("other"));
    let config = server(&folder);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let receiver = thread::spawn(move || {
        let accept = || {
            let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            StreamOwned::new(connection, listener.accept().unwrap().0)
        };
        let refused = accept().read(&mut [0]).is_err();
        let mut stream = accept();
        (refused, frame(&mut stream), frame(&mut stream))
    });
    let settings = |folder: &Path, ca: &Path| {
        let [ca, certificate, key] = [ca.join("ca.pem"), folder.join("sensor.pem"), folder.join("sensor.key")]
            .map(|path| path.display().to_string());
        format!(
            "kind = 'syslog-tls'\naddress = '127.0.0.1:{port}'\nserver-name = 'localhost'\nformat = 'json'\nca-file = '{ca}'\n\
             certificate-file = '{certificate}'\nkey-file = '{key}'"
        )
    };
    let failure = sink(&settings(&folder, &folder.join("other"))).send(&pending(1)).unwrap_err();
    assert!(failure.reason().contains("certificate"), "{failure:?}");
    let mut sink = sink(&settings(&folder, &folder));
    sink.send(&pending(1)).unwrap();
    sink.send(&pending(2)).unwrap();
    let (refused, first, second) = receiver.join().unwrap();
    assert!(refused && first.contains("] {\"id\":\"") && second.contains(&pending(2).alert.id));
}

/// What a web hook was asked: its headers, in small letters, and the body.
struct Request {
    headers: Vec<String>,
    body: String,
}

impl Request {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find_map(|header| header.strip_prefix(&format!("{name}: ")))
    }
}

/// A web server that gives these answers, one a connection, and then is gone.
fn web(answers: &'static [&'static str]) -> (u16, Receiver<Request>, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.3:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (told, heard) = mpsc::channel();
    let server = thread::spawn(move || {
        for answer in answers {
            let (stream, _) = listener.accept().unwrap();
            told.send(request(&stream)).unwrap();
            (&stream).write_all(format!("HTTP/1.1 {answer}\r\nconnection: close\r\n\r\n").as_bytes()).unwrap();
        }
    });
    (port, heard, server)
}

fn request(stream: &TcpStream) -> Request {
    let mut reader = BufReader::new(stream);
    let mut headers: Vec<String> = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        match line.trim_end() {
            "" => break,
            line => {
                let (name, value) = line.split_once(": ").unwrap_or((line, ""));
                headers.push(format!("{}: {value}", name.to_lowercase()));
            }
        }
    }
    let mut request = Request { headers, body: String::new() };
    let length: u64 = request.header("content-length").unwrap().parse().unwrap();
    reader.take(length).read_to_string(&mut request.body).unwrap();
    request
}

#[test]
fn a_web_hook_is_signed_and_says_which_change_it_is() {
    let (port, heard, server) = web(&["204 No Content\r\ncontent-length: 0"]);
    let secret = folder("delivery-secret").join("secret");
    std::fs::write(&secret, "correct horse\n").unwrap();
    let secret = secret.display();
    let mut sink = sink(&format!("kind = 'webhook'\naddress = 'http://127.0.0.3:{port}/a'\nsecret-file = '{secret}'"));
    assert!(sink.send(&pending(7)).unwrap().contains("204"));
    let request = heard.recv().unwrap();
    let alert: Alert = serde_json::from_str(&request.body).unwrap();
    assert_eq!(request.header("idempotency-key").unwrap(), format!("{}-7", alert.id));
    assert_eq!(request.header("content-type"), Some("application/json"));
    let signed = request.header("lapwing-signature").unwrap();
    let time = signed.strip_prefix("t=").and_then(|rest| rest.split(',').next()).unwrap().parse().unwrap();
    assert_eq!(signed, signature(b"correct horse", time, &request.body));
    assert!(!format!("{sink:?}").contains("horse"), "the secret is shown nowhere");
    server.join().unwrap();
}

#[test]
fn the_answer_of_a_web_hook_says_whether_to_come_again() {
    let (port, _heard, server) = web(&[
        "503 Busy\r\nretry-after: 40\r\ncontent-length: 4\r\n\r\nbusy",
        "302 Found\r\nlocation: http://192.0.2.1/\r\ncontent-length: 0",
        "422 No\r\ncontent-length: 0",
        "200 OK\r\ncontent-length: 0",
    ]);
    let mut sink = sink(&format!("kind = 'webhook'\naddress = 'http://127.0.0.3:{port}/'"));
    let after = Some(Duration::from_secs(40));
    let answer = sink.send(&pending(1)).unwrap_err();
    assert!(matches!(&answer, Failure::Later { after: told, .. } if *told == after), "{answer:?}");
    assert!(matches!(sink.send(&pending(1)), Err(Failure::Later { after: None, .. })), "nobody is led elsewhere");
    assert!(matches!(sink.send(&pending(1)), Err(Failure::Refused(_))));
    assert!(sink.send(&pending(1)).is_ok());
    server.join().unwrap();
    assert!(matches!(sink.send(&pending(1)), Err(Failure::Later { .. })), "nobody is there");
}

#[test]
fn a_secret_that_is_not_there_is_told_when_the_sink_is_opened() {
    let settings = "[[sink]]\nname = 'a'\nkind = 'webhook'\naddress = 'http://127.0.0.1:9/'\nsecret-environment = 'LAPWING_NOT_SET'\n";
    let config = Config::from_toml(settings).unwrap();
    let error = Sink::open(&config.sink[0], Observer { host: String::new() }).unwrap_err().to_string();
    assert!(error.contains("LAPWING_NOT_SET"), "{error}");
}

/// Changes in memory, and how far each sink has come.
#[derive(Default)]
struct Kept {
    changes: Mutex<Vec<Pending>>,
    taken: Mutex<std::collections::BTreeMap<String, u64>>,
}

type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

impl Outbox for Kept {
    fn pending(&self, sink: &str, limit: usize) -> Outcome<Vec<Pending>> {
        let taken = self.taken.lock().unwrap().get(sink).copied().unwrap_or(0);
        let changes = self.changes.lock().unwrap();
        Ok(changes.iter().filter(|pending| pending.change > taken).take(limit).cloned().collect())
    }

    fn delivered(&self, sink: &str, change: u64) -> Outcome<()> {
        self.taken.lock().unwrap().insert(sink.to_owned(), change);
        Ok(())
    }
}

#[test]
fn a_sink_that_fails_delays_no_other_and_loses_nothing() {
    let path = folder("delivery-file").join("alerts.jsonl");
    // An address that no other test listens on.
    let closed = TcpListener::bind("127.0.0.2:0").unwrap().local_addr().unwrap();
    let settings = format!(
        "[[sink]]\nname = 'log'\nkind = 'file'\nleast = 'info'\naddress = '{}'\n\
         [[sink]]\nname = 'gone'\nkind = 'syslog-tcp'\nleast = 'info'\naddress = '{closed}'\n",
        path.display()
    );
    let config = Config::from_toml(&settings).unwrap();
    let observer = || Observer { host: "sensor".to_owned() };
    let open = || config.sink.iter().map(|settings| Sink::open(settings, observer()).unwrap()).collect();
    let kept = Arc::new(Kept::default());
    kept.changes.lock().unwrap().extend((1..=100).map(pending));
    let delivery = Delivery::start(open(), Arc::clone(&kept) as Arc<dyn Outbox>, 1).unwrap();
    kept.changes.lock().unwrap().extend((101..=150).map(pending));
    delivery.wake();
    let states = delivery.stop(Duration::from_secs(60));
    let lines = std::fs::read_to_string(&path).unwrap();
    assert_eq!(lines.lines().count(), 150);
    assert_eq!((states[0].0.as_str(), states[0].1.sent, states[0].1.queued), ("log", 150, 0));
    assert!(states[1].1.sent == 0 && states[1].1.failed > 0 && states[1].1.queued > 0, "{states:?}");
    assert!(states[1].1.last_error.as_ref().is_some_and(|error| error.contains(&closed.to_string())));

    // After a restart the receiver is there, and gets all of them; the file gets nothing twice.
    let listener = TcpListener::bind(closed).unwrap();
    let receiver = thread::spawn(move || {
        let mut stream = listener.accept().unwrap().0;
        (1..=150).map(|_| frame(&mut stream)).collect::<Vec<_>>()
    });
    let delivery = Delivery::start(open(), Arc::clone(&kept) as Arc<dyn Outbox>, 1).unwrap();
    let messages = receiver.join().unwrap();
    for (message, change) in messages.iter().zip(1..) {
        assert!(message.contains(&pending(change).alert.id));
    }
    let states = delivery.stop(Duration::from_secs(60));
    assert_eq!((states[1].1.sent, &states[1].1.last_error), (150, &None));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), lines);
}
