//! Windows' file sharing, versions 1 ([MS-CIFS], [MS-SMB]) and 2 and 3 ([MS-SMB2]): which shares and pipes a client opens.
//!
//! Each request is read by itself, as far as it lies in the segment that it starts in; nothing is kept between segments.
//! Encrypted sessions (SMB 3) tell nothing.

use flow::{Act, Acts};

use super::dcerpc;

/// What the requests of a segment do: the NetBIOS messages (RFC 1002 s.4.3.1) that it starts with.
pub(super) fn acts(mut stream: &[u8]) -> Acts {
    let mut acts = Acts::default();
    for _ in 0..MAX_MESSAGES {
        let [0, a, b, c, rest @ ..] = stream else { break };
        let length = usize::from(*a) << 16 | usize::from(*b) << 8 | usize::from(*c);
        let (message, next) = rest.split_at(length.min(rest.len()));
        match message {
            [0xfe, b'S', b'M', b'B', ..] => acts = acts.and(requests(message)),
            [0xff, b'S', b'M', b'B', ..] => acts = acts.and(old_requests(message).unwrap_or_default()),
            _ => break,
        }
        stream = next;
    }
    acts
}

/// Requests of SMB 2, which may be chained.
fn requests(mut chain: &[u8]) -> Acts {
    let mut acts = Acts::default();
    for _ in 0..MAX_MESSAGES {
        let is_answer = u32_at(chain, 16).is_none_or(|flags| flags & 1 != 0);
        if !chain.starts_with(b"\xfeSMB") || is_answer {
            break;
        }
        acts = acts.and(request(chain).unwrap_or_default());
        let next = u32_at(chain, 20).unwrap_or(0) as usize;
        // The header takes 64 bytes, so that the chain gets shorter.
        match chain.get(next..).filter(|_| next >= 64) {
            Some(rest) => chain = rest,
            None => break,
        }
    }
    acts
}

/// One request of SMB 2 ([MS-SMB2] s.2.2.9, 2.2.13, 2.2.21, 2.2.31).
fn request(message: &[u8]) -> Option<Acts> {
    let text = |at: usize| {
        let (start, length) = (u16_at(message, at)?, u16_at(message, at + 2)?);
        Some(utf16(message.get(usize::from(start)..)?, length.into()))
    };
    match u16_at(message, 12)? {
        3 => Some(share(&text(68)?)),
        5 => Some(file(&text(108)?, u32_at(message, 88)?)),
        9 => Some(dcerpc::acts(message.get(usize::from(u16_at(message, 66)?)..)?)),
        11 => Some(dcerpc::acts(message.get(u32_at(message, 88)? as usize..)?)),
        _ => None,
    }
}

/// Requests of SMB 1, chained by "AndX" ([MS-CIFS] s.2.2.4.55, 2.2.4.64).
fn old_requests(message: &[u8]) -> Option<Acts> {
    let mut acts = Acts::default();
    let (mut command, flags, is_unicode) = (message.get(4)?, message.get(9)?, u16_at(message, 10)? & 0x8000 != 0);
    if flags & 0x80 != 0 {
        return None;
    }
    let text = |start: usize, length: usize| {
        // Unicode is aligned to the header.
        let start = if is_unicode { start.next_multiple_of(2) } else { start };
        let bytes = message.get(start..).unwrap_or_default();
        if is_unicode { utf16(bytes, length) } else { ascii(bytes, length) }
    };
    let mut at = 32;
    for _ in 0..MAX_CHAIN {
        let Some(&words) = message.get(at) else { break };
        let data = at + 1 + 2 * usize::from(words) + 2;
        match command {
            0x75 => {
                let password = usize::from(u16_at(message, at + 7)?);
                acts = acts.and(share(&text(data + password, MAX_NAME_BYTES)));
            }
            0xa2 => {
                let (length, access) = (u16_at(message, at + 6)?, u32_at(message, at + 16)?);
                acts = acts.and(file(&text(data, length.into()), access));
            }
            // A session is set up in the same message as the share is connected to.
            0x73 => {}
            _ => break,
        }
        let next = usize::from(u16_at(message, at + 3)?);
        if next <= at {
            break;
        }
        (command, at) = (message.get(at + 1)?, next);
    }
    Some(acts)
}

/// A connection to the share of that path, such as `\\server\ADMIN$`.
fn share(path: &str) -> Acts {
    let name = path.rsplit('\\').next().unwrap_or_default();
    let is_drive = matches!(name.as_bytes(), [drive, b'$'] if drive.is_ascii_lowercase());
    if is_drive || name == "admin$" { Acts::of([Act::AdministrativeShare]) } else { Acts::default() }
}

/// A file or pipe that is opened, for what.
fn file(path: &str, access: u32) -> Acts {
    let name = path.rsplit('\\').next().unwrap_or_default();
    let ends = |ends: &[&str]| ends.iter().any(|end| name.ends_with(end));
    let act = match name {
        "svcctl" | "ntsvcs" => Act::ServiceControl,
        "atsvc" => Act::TaskScheduler,
        "winreg" => Act::Registry,
        _ if ends(&["stdin", "stdout", "stderr"]) => Act::ProgramPipes,
        _ if access & WRITE != 0 && ends(PROGRAMS) => Act::ProgramWritten,
        _ => return Acts::default(),
    };
    Acts::of([act])
}

/// Text of so many bytes, or up to its end, in lower case; what is not ASCII stands as a question mark.
fn utf16(bytes: &[u8], length: usize) -> String {
    let (units, _) = bytes.get(..length.min(MAX_NAME_BYTES).min(bytes.len())).unwrap_or_default().as_chunks::<2>();
    let units = units.iter().map(|&unit| u16::from_le_bytes(unit)).take_while(|&unit| unit != 0);
    units.map(|unit| u8::try_from(unit).map_or('?', |byte| char::from(byte.to_ascii_lowercase()))).collect()
}

fn ascii(bytes: &[u8], length: usize) -> String {
    let text = bytes.iter().take(length.min(MAX_NAME_BYTES)).take_while(|&&byte| byte != 0);
    text.map(|byte| char::from(byte.to_ascii_lowercase())).collect()
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// Data, or all that one may write ([MS-SMB2] s.2.2.13.1.1).
const WRITE: u32 = 0x2 | 0x4000_0000 | 0x1000_0000;
/// What Windows runs.
const PROGRAMS: &[&str] = &[".exe", ".dll", ".sys", ".bat", ".cmd", ".ps1", ".vbs", ".msi"];
/// Messages of one segment, and requests of one message, that are read.
const MAX_MESSAGES: usize = 8;
const MAX_CHAIN: usize = 4;
/// Windows' longest path.
const MAX_NAME_BYTES: usize = 520;

#[cfg(test)]
mod tests {
    use super::super::dcerpc::tests::bind;
    use super::*;

    fn framed(message: &[u8]) -> Vec<u8> {
        [&(message.len() as u32).to_be_bytes()[..], message].concat()
    }

    /// A request of SMB 2 with such a body.
    fn request(command: u8, body: &[u8]) -> Vec<u8> {
        let mut header = [0; 64];
        header[..4].copy_from_slice(b"\xfeSMB");
        header[12] = command;
        framed(&[&header[..], body].concat())
    }

    fn wide(text: &str) -> Vec<u8> {
        text.encode_utf16().flat_map(u16::to_le_bytes).collect()
    }

    fn connect(path: &str) -> Vec<u8> {
        let path = wide(path);
        request(3, &[&[9, 0, 0, 0, 72, 0, path.len() as u8, 0], &path[..]].concat())
    }

    fn create(name: &str, access: u32) -> Vec<u8> {
        let name = wide(name);
        let mut body = [0; 56];
        body[24..28].copy_from_slice(&access.to_le_bytes());
        body[44..48].copy_from_slice(&[120, 0, name.len() as u8, 0]);
        request(5, &[&body[..], &name].concat())
    }

    #[test]
    fn shares_programs_and_pipes_are_told_apart() {
        let cases = [
            (connect(r"\\dc1\ADMIN$"), Some(Act::AdministrativeShare)),
            (connect(r"\\dc1\c$"), Some(Act::AdministrativeShare)),
            (connect(r"\\dc1\IPC$"), None),
            (connect(r"\\dc1\users"), None),
            (create("PSEXESVC.exe", 2), Some(Act::ProgramWritten)),
            (create("setup.exe", 1), None),
            (create("svcctl", 3), Some(Act::ServiceControl)),
            (create("srvsvc", 3), None),
            (create("RemCom_stdin4711stdin", 3), Some(Act::ProgramPipes)),
        ];
        for (message, act) in cases {
            assert_eq!(acts(&message), Acts::of(act), "{}", message.escape_ascii());
        }
    }

    #[test]
    fn requests_in_one_segment_are_all_read_and_answers_are_not() {
        let both = [connect(r"\\dc1\ADMIN$"), create("svcctl", 3)].concat();
        assert_eq!(acts(&both), Acts::of([Act::AdministrativeShare, Act::ServiceControl]));
        let mut answer = connect(r"\\dc1\ADMIN$");
        answer[4 + 16] = 1;
        assert_eq!(acts(&answer), Acts::default());
    }

    #[test]
    fn a_bind_written_to_a_pipe_of_any_name_tells_its_interface() {
        let body = [&[49, 0, 112, 0][..], &[0; 44], &bind(0x367abb81_9844_35f1_ad32_98f038001003)].concat();
        assert_eq!(acts(&request(9, &body)), Acts::of([Act::ServiceControl]));
    }

    #[test]
    fn requests_of_version_1_are_read_through_their_chain() {
        let mut header = [0; 32];
        header[..5].copy_from_slice(b"\xffSMB\x73");
        let setup = [&[2, 0x75, 0, 39, 0][..], &[0, 0]].concat();
        let connect = [&[4, 0xff, 0, 0, 0, 0, 0, 1, 0, 14, 0, 0][..], b"\\\\A\\ADMIN$\0?????\0"].concat();
        assert_eq!(acts(&framed(&[&header[..], &setup, &connect].concat())), Acts::of([Act::AdministrativeShare]));
    }

    #[test]
    fn no_bytes_make_it_panic() {
        let whole = [connect(r"\\dc1\ADMIN$"), create("svcctl", 3), request(9, &[49, 0, 255, 255])].concat();
        for at in 0..whole.len() {
            acts(&whole[..at]);
            for value in [0, 1, 127, 255] {
                let mut broken = whole.clone();
                broken[at] = value;
                acts(&broken);
                broken[4] = 0xff;
                acts(&broken);
            }
        }
    }
}
