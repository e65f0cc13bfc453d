//! File transfer's control connection (RFC 959).

use std::net::Ipv4Addr;

use flow::Duration;

use crate::tcp::Turn;

/// The port of file transfer servers.
pub(crate) const PORT: u16 = 21;

/// A greeting and so many passwords that are refused, then the end.
pub(crate) fn refused(user: &str, passwords: &[String], delay: Duration) -> Vec<Turn> {
    let quick = Duration::from_millis(1);
    let mut turns = vec![Turn::answer(Duration::from_millis(3), "220 (vsFTPd 3.0.5)\r\n")];
    for password in passwords {
        turns.push(Turn::ask(quick, format!("USER {user}\r\n")));
        turns.push(Turn::answer(quick, "331 Please specify the password.\r\n"));
        turns.push(Turn::ask(quick, format!("PASS {password}\r\n")));
        turns.push(Turn::answer(delay, "530 Login incorrect.\r\n"));
    }
    turns.push(Turn::ask(quick, "QUIT\r\n"));
    turns.push(Turn::answer(quick, "221 Goodbye.\r\n"));
    turns
}

/// A login and a file sent in passive mode to a port that the server names; `trip` leaves time for the file's own
/// connection to be opened, `during` for the file.
pub(crate) fn store(
    user: &str,
    file: &str,
    (server, port): (Ipv4Addr, u16),
    trip: Duration,
    during: Duration,
) -> Vec<Turn> {
    let quick = Duration::from_millis(1);
    let [a, b, c, d] = server.octets();
    let passive = format!("227 Entering Passive Mode ({a},{b},{c},{d},{},{}).\r\n", port >> 8, port & 0xff);
    let mut turns = vec![Turn::answer(Duration::from_millis(3), "220 (vsFTPd 3.0.5)\r\n")];
    for (asked, answered) in [
        (format!("USER {user}\r\n"), "331 Please specify the password.\r\n"),
        ("PASS 7hrush\r\n".to_owned(), "230 Login successful.\r\n"),
        ("TYPE I\r\n".to_owned(), "200 Switching to Binary mode.\r\n"),
        ("PASV\r\n".to_owned(), &passive),
    ] {
        turns.push(Turn::ask(quick, asked));
        turns.push(Turn::answer(quick, answered));
    }
    turns.push(Turn::ask(trip * 3, format!("STOR {file}\r\n")));
    turns.push(Turn::answer(quick, "150 Ok to send data.\r\n"));
    turns.push(Turn::answer(during, "226 Transfer complete.\r\n"));
    turns.push(Turn::ask(quick, "QUIT\r\n"));
    turns.push(Turn::answer(quick, "221 Goodbye.\r\n"));
    turns
}
