//! What the lines of a log-in mean, by service. The patterns are stated at [`flow::Content`].

use flow::Content;

/// A service that people log in to in clear text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Service {
    Ftp,
    Telnet,
    Smtp,
    Pop3,
    Imap,
    Rlogin,
    Rsh,
    Http,
}

/// Who sent a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Client,
    Server,
}

/// How far a log-in is.
pub(super) struct Session {
    pub(super) service: Service,
    /// The rest cannot be read.
    pub(super) is_encrypted: bool,
    /// The client has sent nothing yet.
    pub(super) is_fresh: bool,
    user: String,
    /// Credentials were sent and the server has not judged them; of IMAP under this tag.
    awaits: Option<String>,
    /// The client asked to go on encrypted.
    asked_encryption: bool,
    is_in: bool,
    /// Lines that the client of rlogin or rsh sent to begin with.
    preamble: u8,
}

impl Service {
    pub(super) fn of(port: u16) -> Option<Service> {
        match port {
            21 => Some(Service::Ftp),
            23 | 2323 => Some(Service::Telnet),
            25 | 587 => Some(Service::Smtp),
            110 => Some(Service::Pop3),
            143 => Some(Service::Imap),
            513 => Some(Service::Rlogin),
            514 => Some(Service::Rsh),
            80 | 8000 | 8080 => Some(Service::Http),
            _ => None,
        }
    }

    pub(super) fn ends_lines_with_zero(self) -> bool {
        matches!(self, Service::Rlogin | Service::Rsh)
    }
}

impl Session {
    pub(super) fn new(service: Service) -> Session {
        Session {
            service,
            is_encrypted: false,
            is_fresh: true,
            user: String::new(),
            awaits: None,
            asked_encryption: false,
            is_in: false,
            preamble: 0,
        }
    }

    /// Takes in a line. `prompt` is what the server wrote since its last whole line: for a client's line, the question
    /// that it answers and perhaps its echo.
    pub(super) fn read(&mut self, side: Side, line: &[u8], prompt: &[u8], told: &mut Content) {
        let line = String::from_utf8_lossy(line);
        match (self.service, side) {
            (Service::Ftp, Side::Client) => self.ftp_command(&line, told),
            (Service::Ftp, Side::Server) => self.ftp_reply(&line, told),
            (Service::Smtp, Side::Client) => self.smtp_command(&line, told),
            (Service::Smtp, Side::Server) => self.smtp_reply(&line, told),
            (Service::Pop3, Side::Client) => self.pop3_command(&line),
            (Service::Pop3, Side::Server) => self.pop3_reply(&line, told),
            (Service::Imap, Side::Client) => self.imap_command(&line),
            (Service::Imap, Side::Server) => self.imap_reply(&line, told),
            (Service::Http, Side::Client) => self.http_field(&line),
            (Service::Http, Side::Server) => self.http_status(&line, told),
            (Service::Rsh, Side::Client) => self.rsh_line(&line, told),
            (Service::Rsh, Side::Server) => self.rsh_answer(&line, told),
            (Service::Rlogin, Side::Client) if self.preamble < 4 => self.rlogin_preamble(&line),
            (Service::Telnet | Service::Rlogin, Side::Client) => {
                self.typed(line.trim(), &String::from_utf8_lossy(prompt), told);
            }
            (Service::Telnet | Service::Rlogin, Side::Server) => self.shown(&line, told),
        }
    }

    /// A line that somebody typed into a terminal.
    fn typed(&mut self, line: &str, prompt: &str, told: &mut Content) {
        // What was typed is echoed behind the prompt.
        let prompt = prompt.trim_end();
        let prompt = prompt.strip_suffix(line).unwrap_or(prompt).trim_end();
        let lower = prompt.to_ascii_lowercase();
        if lower.contains("password") && lower.ends_with(':') {
            self.awaits = Some(String::new());
        } else if !self.is_in && (lower.ends_with("login:") || lower.ends_with("username:")) {
            self.name(line);
        } else if prompt.ends_with(['$', '%', '#', '>']) {
            let is_root = prompt.ends_with('#');
            if self.awaits.take().is_some() && !self.is_in {
                self.accept(told);
                told.num_shells += 1;
            }
            if is_root && (self.is_in || prompt.contains("root")) {
                told.root_shell = true;
                told.num_root += 1;
            }
            shell_command(line, told);
        }
    }

    /// A line that a terminal showed.
    fn shown(&mut self, line: &str, told: &mut Content) {
        let lower = line.to_ascii_lowercase();
        let refusals = ["login incorrect", "login failed", "authentication failure", "access denied"];
        if refusals.iter().any(|refusal| lower.contains(refusal)) {
            self.refuse(told);
        } else if lower.starts_with("last login:") && !self.is_in {
            self.accept(told);
            told.num_shells += 1;
        }
        told.num_compromised += u32::from(is_not_found(&lower));
        told.num_file_creations += u32::from(lower.contains("[new file]"));
    }

    fn ftp_command(&mut self, line: &str, told: &mut Content) {
        let (verb, argument) = split(line);
        match verb.as_str() {
            "user" => {
                self.name(argument);
                self.awaits = Some(String::new());
            }
            "pass" => self.awaits = Some(String::new()),
            "auth" => self.asked_encryption = true,
            "cwd" | "xcwd" => told.hot += u32::from(is_system_directory(argument)),
            "site" => told.hot += u32::from(argument.to_ascii_lowercase().starts_with("exec")),
            "stor" | "stou" | "appe" | "mkd" | "xmkd" => told.num_file_creations += 1,
            _ => {}
        }
        if matches!(verb.as_str(), "retr" | "stor" | "appe" | "dele" | "rnfr" | "rnto") {
            told.num_access_files += u32::from(controls_access(argument));
        }
    }

    fn ftp_reply(&mut self, line: &str, told: &mut Content) {
        match reply_code(line) {
            Some(230) => self.accept(told),
            Some(234) if self.asked_encryption => self.is_encrypted = true,
            Some(430 | 530) => self.refuse(told),
            Some(550) => told.num_compromised += u32::from(is_not_found(&line.to_ascii_lowercase())),
            _ => {}
        }
    }

    fn smtp_command(&mut self, line: &str, told: &mut Content) {
        let (verb, _) = split(line);
        match verb.as_str() {
            "auth" => self.awaits = Some(String::new()),
            "starttls" => self.asked_encryption = true,
            // Back doors of an old sendmail.
            "wiz" | "debug" => told.hot += 1,
            _ => {}
        }
    }

    fn smtp_reply(&mut self, line: &str, told: &mut Content) {
        match reply_code(line) {
            Some(220) if self.asked_encryption => self.is_encrypted = true,
            Some(235) => self.accept(told),
            Some(535) => self.refuse(told),
            _ => {}
        }
    }

    fn pop3_command(&mut self, line: &str) {
        let (verb, argument) = split(line);
        match verb.as_str() {
            "user" => self.name(argument),
            "apop" => {
                self.name(argument);
                self.awaits = Some(String::new());
            }
            "pass" | "auth" => self.awaits = Some(String::new()),
            "stls" => self.asked_encryption = true,
            _ => {}
        }
    }

    fn pop3_reply(&mut self, line: &str, told: &mut Content) {
        if line.starts_with("+OK") {
            self.is_encrypted |= self.asked_encryption;
            self.accept(told);
        } else if line.starts_with("-ERR") {
            self.asked_encryption = false;
            self.refuse(told);
        }
    }

    fn imap_command(&mut self, line: &str) {
        let (tag, rest) = split(line);
        let (verb, argument) = split(rest);
        match verb.as_str() {
            "login" => {
                self.name(argument.trim_matches('"'));
                self.awaits = Some(tag);
            }
            "authenticate" => self.awaits = Some(tag),
            "starttls" => self.asked_encryption = true,
            _ => {}
        }
    }

    fn imap_reply(&mut self, line: &str, told: &mut Content) {
        let (tag, rest) = split(line);
        let (verdict, _) = split(rest);
        if self.awaits.as_ref() == Some(&tag) {
            match verdict.as_str() {
                "ok" => self.accept(told),
                "no" | "bad" => self.refuse(told),
                _ => {}
            }
        } else if self.asked_encryption && tag != "*" && verdict == "ok" {
            self.is_encrypted = true;
        }
    }

    /// HTTP's own log-in (RFC 7617).
    fn http_field(&mut self, line: &str) {
        let (name, value) = split(line);
        if name == "authorization:" {
            let (scheme, credentials) = split(value);
            if scheme == "basic" {
                let decoded = decode_base64(credentials);
                let user = decoded.split(|&byte| byte == b':').next().unwrap_or_default();
                self.name(&String::from_utf8_lossy(user));
                self.awaits = Some(String::new());
            }
        }
    }

    fn http_status(&mut self, line: &str, told: &mut Content) {
        let (version, rest) = split(line);
        if version.starts_with("http/1.") && self.awaits.is_some() {
            match rest.as_bytes() {
                [b'2' | b'3', ..] => self.accept(told),
                [b'4', b'0', b'1', ..] => self.refuse(told),
                _ => self.awaits = None,
            }
        }
    }

    /// RFC 1282: an empty string, the user there, the user here, the terminal.
    fn rlogin_preamble(&mut self, line: &str) {
        if self.preamble == 2 {
            self.name(line);
        }
        self.preamble += 1;
    }

    /// A port, the user there, the user here, the command.
    fn rsh_line(&mut self, line: &str, told: &mut Content) {
        match self.preamble {
            2 => self.name(line),
            3 => {
                self.awaits = Some(String::new());
                shell_command(line, told);
            }
            _ => {}
        }
        self.preamble = self.preamble.saturating_add(1);
    }

    /// A zero byte, which ends an empty line, lets the command run; anything else is the reason why not.
    fn rsh_answer(&mut self, line: &str, told: &mut Content) {
        if self.awaits.is_some() {
            if line.is_empty() {
                self.accept(told);
                if self.user == "root" {
                    told.root_shell = true;
                    told.num_root += 1;
                }
            } else {
                self.refuse(told);
            }
        }
        told.num_compromised += u32::from(is_not_found(&line.to_ascii_lowercase()));
    }

    fn name(&mut self, user: &str) {
        let user = user.split_whitespace().next().unwrap_or_default();
        self.user = user.chars().take(MAX_USER_CHARACTERS).collect::<String>().to_ascii_lowercase();
    }

    /// The server let the user in.
    fn accept(&mut self, told: &mut Content) {
        let was_asked = self.awaits.take().is_some() || matches!(self.service, Service::Telnet | Service::Rlogin);
        if !was_asked || self.is_in {
            return;
        }
        self.is_in = true;
        told.logged_in = true;
        told.is_host_login |= matches!(&*self.user, "root" | "toor" | "adm" | "admin" | "administrator");
        told.is_guest_login |= matches!(&*self.user, "guest" | "anonymous" | "ftp" | "visitor");
        told.hot += u32::from(told.is_host_login) + u32::from(told.is_guest_login);
    }

    /// The server refused the credentials.
    fn refuse(&mut self, told: &mut Content) {
        let was_asked = self.awaits.take().is_some() || matches!(self.service, Service::Telnet | Service::Rlogin);
        told.num_failed_logins += u32::from(was_asked);
    }
}

/// A line given to a shell: each of its commands.
fn shell_command(line: &str, told: &mut Content) {
    told.num_file_creations += u32::from(line.contains('>'));
    for command in line.split([';', '|', '&']) {
        let command = command.trim().trim_start_matches("sudo ");
        let (path, arguments) = command.split_once(char::is_whitespace).unwrap_or((command, ""));
        let program = path.rsplit('/').next().unwrap_or_default();
        match program {
            "su" => told.su_attempted |= matches!(arguments.trim(), "" | "-" | "-l" | "root" | "- root" | "-l root"),
            "cd" => told.hot += u32::from(is_system_directory(arguments)),
            "cc" | "gcc" | "g++" | "make" => {
                told.hot += 1;
                told.num_file_creations += 1;
            }
            "cp" | "mv" | "touch" | "mkdir" | "ln" | "wget" | "uudecode" => told.num_file_creations += 1,
            "sh" | "bash" | "csh" | "tcsh" | "ksh" | "zsh" | "ash" | "dash" => told.num_shells += 1,
            _ => {}
        }
        told.hot += u32::from(path.starts_with("./") || path.starts_with("/tmp/") || program == "a.out");
        told.num_access_files += u32::from(controls_access(command));
    }
}

/// Whether the text names a file that says who may do what.
fn controls_access(text: &str) -> bool {
    let files = [
        "/etc/passwd",
        "/etc/shadow",
        "/etc/group",
        "/etc/sudoers",
        "/etc/hosts.allow",
        "/etc/hosts.deny",
        "hosts.equiv",
        ".rhosts",
        ".netrc",
        ".shosts",
        "authorized_keys",
    ];
    files.iter().any(|file| text.contains(file)) || matches!(text.trim(), "passwd" | "shadow")
}

/// Whether the path leads into a directory of the system.
fn is_system_directory(path: &str) -> bool {
    let directories = ["/etc", "/bin", "/sbin", "/usr", "/root", "/boot", "/dev", "/lib", "/proc", "/var"];
    let path = path.trim();
    directories
        .iter()
        .any(|directory| path.strip_prefix(directory).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
}

fn is_not_found(lower: &str) -> bool {
    lower.contains("not found") || lower.contains("no such file")
}

/// The first word in lower case, and the rest.
fn split(line: &str) -> (String, &str) {
    let (word, rest) = line.trim_start().split_once(' ').unwrap_or((line.trim(), ""));
    (word.to_ascii_lowercase(), rest.trim())
}

/// The code of the last line of a reply (RFC 959 s.4.2, RFC 5321 s.4.2).
fn reply_code(line: &str) -> Option<u16> {
    let (code, rest) = line.split_at_checked(3)?;
    (!rest.starts_with('-')).then(|| code.parse().ok()).flatten()
}

/// The bytes of base64 (RFC 4648 s.4) up to the first character that is none of it.
fn decode_base64(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let (mut bits, mut count) = (0u32, 0);
    for character in text.bytes() {
        let value = match character {
            b'A'..=b'Z' => character - b'A',
            b'a'..=b'z' => character - b'a' + 26,
            b'0'..=b'9' => character - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => break,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    bytes
}

const MAX_USER_CHARACTERS: usize = 64;
