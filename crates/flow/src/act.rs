//! What one host does on another through Windows' remote administration.

/// A thing done on a Windows host from another host, as SMB ([MS-SMB2]) and remote procedure calls ([MS-RPCE]) show it in
/// the clear: which shares, pipes and interfaces are opened. What is done there is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Act {
    /// Connects to ADMIN$ or to the share of a whole drive, such as C$.
    AdministrativeShare,
    /// Opens a program or script in a share, to write it.
    ProgramWritten,
    /// Opens the service control manager ([MS-SCMR]).
    ServiceControl,
    /// Opens the task scheduler ([MS-TSCH]).
    TaskScheduler,
    /// Opens the registry ([MS-RRP]).
    Registry,
    /// Activates a component ([MS-DCOM]).
    ComponentActivation,
    /// Logs in to Windows Management Instrumentation ([MS-WMI]).
    ManagementInstrumentation,
    /// Opens pipes for the input and output of a program that runs there: their names end in stdin, stdout, stderr.
    ProgramPipes,
}

/// A set of acts.
///
/// ```
/// use flow::{Act, Acts};
/// let acts = Acts::of([Act::ServiceControl, Act::AdministrativeShare]);
/// assert!(acts.has(Act::ServiceControl) && !acts.has(Act::Registry));
/// assert_eq!(Acts::from_bits(acts.bits()), acts);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Acts(u16);

impl Act {
    /// Every act, in the order of the bits of [`Acts`].
    pub const ALL: [Act; 8] = [
        Act::AdministrativeShare,
        Act::ProgramWritten,
        Act::ServiceControl,
        Act::TaskScheduler,
        Act::Registry,
        Act::ComponentActivation,
        Act::ManagementInstrumentation,
        Act::ProgramPipes,
    ];

    /// The act in words: "somebody ...".
    pub const fn words(self) -> &'static str {
        match self {
            Act::AdministrativeShare => "connected to an administrative share",
            Act::ProgramWritten => "wrote a program",
            Act::ServiceControl => "opened the service manager",
            Act::TaskScheduler => "opened the task scheduler",
            Act::Registry => "opened the registry",
            Act::ComponentActivation => "activated a component (DCOM)",
            Act::ManagementInstrumentation => "logged in to Windows Management Instrumentation",
            Act::ProgramPipes => "opened the input and output of a program run there",
        }
    }
}

impl Acts {
    /// These acts.
    pub fn of(acts: impl IntoIterator<Item = Act>) -> Acts {
        acts.into_iter().fold(Acts::default(), Acts::with)
    }

    /// The acts that these bits stand for, the first of [`Act::ALL`] the lowest; others do not count.
    pub const fn from_bits(bits: u16) -> Acts {
        Acts(bits & ((1 << Act::ALL.len()) - 1))
    }

    /// As bits, the first of [`Act::ALL`] the lowest.
    pub const fn bits(self) -> u16 {
        self.0
    }

    /// These and one more.
    #[must_use]
    pub const fn with(self, act: Act) -> Acts {
        Acts(self.0 | 1 << act as u16)
    }

    /// These and those.
    #[must_use]
    pub const fn and(self, others: Acts) -> Acts {
        Acts(self.0 | others.0)
    }

    /// Whether it is among them.
    pub const fn has(self, act: Act) -> bool {
        self.0 & 1 << act as u16 != 0
    }

    /// Whether there is none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Each of them.
    pub fn iter(self) -> impl Iterator<Item = Act> {
        Act::ALL.into_iter().filter(move |&act| self.has(act))
    }
}
