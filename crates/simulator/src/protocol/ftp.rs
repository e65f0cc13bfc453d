//! File transfer's control connection (RFC 959).

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
