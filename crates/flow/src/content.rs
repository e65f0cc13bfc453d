//! What a log-in in clear text tells: the content features of KDD'99.

/// The content features of KDD'99 (columns 10 to 22), by their names there: what the parties of a conversation in clear
/// text say of logging in and of what follows (Lee and Stolfo 2000, "A framework for constructing features and models for
/// intrusion detection systems", table 3; Stolfo et al. 2000). The papers name the features and leave their patterns open;
/// each field says which ones are counted here. `urgent` (column 9) is a TCP flag and not told here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Content {
    /// "Hot" indicators: entering a system directory, compiling a program, running one just made, a guest's or a hot
    /// user's log-in.
    pub hot: u32,
    /// Log-ins that the server refused.
    pub num_failed_logins: u32,
    /// The server let somebody in.
    pub logged_in: bool,
    /// "Compromised" conditions: answers that a file, path or command was not found.
    pub num_compromised: u32,
    /// A root shell was given: a prompt of root, or of `#` where root had logged in or `su` was tried.
    pub root_shell: bool,
    /// `su` to root was tried.
    pub su_attempted: bool,
    /// "Root" accesses: commands given while a root shell is open, and prompts of root.
    pub num_root: u32,
    /// Commands that create files: copies, compilers, redirections, uploads.
    pub num_file_creations: u32,
    /// Shells begun: the greeting after a log-in, and commands that start a shell.
    pub num_shells: u32,
    /// Commands on files that control access: passwd, shadow, rhosts and their kin.
    pub num_access_files: u32,
    /// Outbound commands in an FTP session. Always 0 in the published data, and here: no command of FTP (RFC 959) is one.
    pub num_outbound_cmds: u32,
    /// The log-in belongs to the hot list: root or an administrator.
    pub is_host_login: bool,
    /// The log-in is a guest's: guest, anonymous, visitor.
    pub is_guest_login: bool,
}

impl Content {
    /// Takes in what a later part of the same conversation told.
    pub fn append(&mut self, later: &Content) {
        for (mine, theirs) in [
            (&mut self.hot, later.hot),
            (&mut self.num_failed_logins, later.num_failed_logins),
            (&mut self.num_compromised, later.num_compromised),
            (&mut self.num_root, later.num_root),
            (&mut self.num_file_creations, later.num_file_creations),
            (&mut self.num_shells, later.num_shells),
            (&mut self.num_access_files, later.num_access_files),
            (&mut self.num_outbound_cmds, later.num_outbound_cmds),
        ] {
            *mine = mine.saturating_add(theirs);
        }
        for (mine, theirs) in [
            (&mut self.logged_in, later.logged_in),
            (&mut self.root_shell, later.root_shell),
            (&mut self.su_attempted, later.su_attempted),
            (&mut self.is_host_login, later.is_host_login),
            (&mut self.is_guest_login, later.is_guest_login),
        ] {
            *mine |= theirs;
        }
    }
}
