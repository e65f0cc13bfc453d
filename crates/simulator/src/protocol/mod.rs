//! The messages of the protocols that an office speaks, as far as an observer can read them.

pub(crate) mod ber;
pub(crate) mod dcerpc;
pub(crate) mod dhcp;
pub(crate) mod dns;
pub(crate) mod ftp;
pub(crate) mod kerberos;
pub(crate) mod ldap;
pub(crate) mod ntp;
pub(crate) mod quic;
pub(crate) mod rdp;
pub(crate) mod smb;
pub(crate) mod snmp;
pub(crate) mod ssh;
pub(crate) mod tls;
pub(crate) mod winrm;
