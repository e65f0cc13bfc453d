//! The kernel's capture ring on Linux: AF_PACKET with TPACKET_V3 (packet(7), Documentation/networking/packet_mmap.rst).
//!
//! The kernel writes packets into blocks of memory that it shares with this process, and hands a block over when it is
//! full or has waited long enough. Nothing is copied, and there is no system call a packet. This is the one file of the
//! project with `unsafe`; each block says why it is sound. What comes out is checked slices.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString, c_int, c_void};
use std::io;
use std::mem::{offset_of, size_of};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU32, Ordering};

use flow::Time;

use super::filter::Instruction;

/// How a ring is set up.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Memory for packets that were not read yet, in bytes; rounded up to whole blocks of 1 MiB.
    pub bytes: usize,
    /// A block that is not full is handed over after so long, in milliseconds: how late a packet may come.
    pub patience_milliseconds: u32,
    /// Whether packets for other hosts are taken, too.
    pub promiscuous: bool,
    /// Which packets are taken, and how much of each: a classic BPF program (the kernel's
    /// Documentation/networking/filter.rst).
    pub filter: Vec<Instruction>,
    /// Shares the interface's packets with other rings.
    pub share: Share,
}

/// Whether an interface's packets are shared among several rings. All packets of a conversation go to the same one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    /// The ring gets all packets.
    All,
    /// The first ring of several.
    First,
    /// One more of those that share, by the number that the first one got.
    With(u16),
}

/// A ring on one interface.
pub struct Ring {
    socket: OwnedFd,
    map: Map,
    /// The block that is read or comes next.
    block: usize,
    /// Packets of the block that are still to come after the one at `offset`; `None` where the block is the kernel's.
    left: Option<u32>,
    /// Where the packet's header lies in the block.
    offset: usize,
}

/// A packet as the kernel gives it.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// When the kernel, or the card, saw it.
    pub time: Time,
    /// The kind of hardware (ARPHRD, if_arp.h).
    pub hardware: u16,
    /// The EtherType of what follows the link header, as far as the kernel knows it.
    pub protocol: u16,
    /// The captured bytes from the link header on.
    pub bytes: &'a [u8],
    /// How many of the bytes are link header.
    pub link_bytes: usize,
    /// Its length before it was cut, in bytes.
    pub wire_bytes: u32,
    /// The tag that the kernel took out of it: identifier and control (IEEE 802.1Q).
    pub vlan: Option<[u8; 4]>,
    /// Whether this host sent it.
    pub is_outgoing: bool,
    /// The number of its interface.
    pub interface: u32,
}

/// What the kernel did with the packets of a ring since it was asked last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Packets that passed the filter, dropped ones too.
    pub packets: u64,
    /// Packets dropped because the ring was full.
    pub dropped: u64,
    /// Packets that the loopback interface showed a second time, among those above.
    pub repeated: u64,
}

/// How the interface of a ring is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// As it should be.
    Up,
    /// Down; packets come again when it is up.
    Down,
    /// Gone: no packet will come.
    Gone,
}

impl Ring {
    /// Opens a ring on the interface of that number; 0 is every interface. Needs CAP_NET_RAW.
    pub fn open(interface: u32, setup: &Setup) -> io::Result<Ring> {
        // Without a protocol the socket receives nothing until it is bound.
        let socket = socket()?;
        set(&socket, libc::PACKET_VERSION, &(libc::tpacket_versions::TPACKET_V3 as c_int))?;
        let blocks = setup.bytes.div_ceil(BLOCK_BYTES).clamp(2, MAX_BLOCKS);
        let request = libc::tpacket_req3 {
            tp_block_size: BLOCK_BYTES as u32,
            tp_block_nr: blocks as u32,
            tp_frame_size: FRAME_BYTES as u32,
            tp_frame_nr: (BLOCK_BYTES / FRAME_BYTES * blocks) as u32,
            tp_retire_blk_tov: setup.patience_milliseconds.max(1),
            tp_sizeof_priv: 0,
            tp_feature_req_word: 0,
        };
        set(&socket, libc::PACKET_RX_RING, &request)?;
        let map = Map::of(&socket, blocks)?;
        // Bound, but not yet in its group, the ring would get packets that belong to others.
        attach(&socket, &[Instruction::accept(0)])?;
        bind(&socket, interface, ETH_P_ALL)?;
        if setup.promiscuous && interface != 0 {
            let request = libc::packet_mreq {
                mr_ifindex: interface as c_int,
                mr_type: libc::PACKET_MR_PROMISC as u16,
                mr_alen: 0,
                mr_address: [0; 8],
            };
            set(&socket, libc::PACKET_ADD_MEMBERSHIP, &request)?;
        }
        let group = match setup.share {
            Share::All => None,
            Share::First => Some((0, libc::PACKET_FANOUT_FLAG_UNIQUEID)),
            Share::With(group) => Some((u32::from(group), 0)),
        };
        if let Some((group, flag)) = group {
            let kind = libc::PACKET_FANOUT_HASH | libc::PACKET_FANOUT_FLAG_DEFRAG | flag;
            set(&socket, libc::PACKET_FANOUT, &(group | kind << 16))?;
        }
        attach(&socket, &setup.filter)?;
        Ok(Ring { socket, map, block: 0, left: None, offset: 0 })
    }

    /// The number of the group that this ring shares packets with.
    pub fn group(&self) -> io::Result<u16> {
        let [group] = numbers(&self.socket, libc::SOL_PACKET, libc::PACKET_FANOUT)?;
        // The upper half says how the group shares.
        Ok(group as u16)
    }

    /// Goes on to the next packet; `false` where none is there. Hands blocks that were read back to the kernel.
    #[inline]
    pub fn advance(&mut self) -> bool {
        loop {
            match self.left {
                Some(0) => {
                    self.map.release(self.block);
                    self.block = (self.block + 1) % self.map.blocks;
                    self.left = None;
                }
                Some(left) => {
                    let block = self.map.block(self.block);
                    let step = word(block, self.offset + offset_of!(libc::tpacket3_hdr, tp_next_offset)) as usize;
                    self.left = Some(left - 1);
                    self.offset += step;
                    return true;
                }
                None if self.map.is_ready(self.block) => {
                    let block = self.map.block(self.block);
                    let packets = word(block, NUMBER_OF_PACKETS);
                    self.offset = word(block, OFFSET_TO_FIRST) as usize;
                    self.left = Some(packets.saturating_sub(1));
                    if packets > 0 {
                        return true;
                    }
                }
                None => return false,
            }
        }
    }

    /// The packet that [`Ring::advance`] came to; `None` before the first.
    #[inline]
    pub fn frame(&self) -> Option<Frame<'_>> {
        self.left?;
        let header = self.map.block(self.block).get(self.offset..)?;
        let field = |offset| word(header, offset);
        let [mac, net] = [offset_of!(libc::tpacket3_hdr, tp_mac), offset_of!(libc::tpacket3_hdr, tp_net)]
            .map(|offset| usize::from(half(header, offset)));
        let captured = field(offset_of!(libc::tpacket3_hdr, tp_snaplen)) as usize;
        let bytes = header.get(mac..mac.checked_add(captured)?)?;
        let status = field(offset_of!(libc::tpacket3_hdr, tp_status));
        let vlan = offset_of!(libc::tpacket3_hdr, hv1);
        let tag = || {
            let control = field(vlan + offset_of!(libc::tpacket_hdr_variant1, tp_vlan_tci)) as u16;
            let identifier = match status & libc::TP_STATUS_VLAN_TPID_VALID {
                0 => 0x8100,
                _ => half(header, vlan + offset_of!(libc::tpacket_hdr_variant1, tp_vlan_tpid)),
            };
            let ([a, b], [c, d]) = (identifier.to_be_bytes(), control.to_be_bytes());
            [a, b, c, d]
        };
        let address = header.get(ADDRESS..)?;
        let seconds = i64::from(field(offset_of!(libc::tpacket3_hdr, tp_sec)));
        let nanoseconds = i64::from(field(offset_of!(libc::tpacket3_hdr, tp_nsec)));
        Some(Frame {
            time: Time::from_nanoseconds(seconds * 1_000_000_000 + nanoseconds),
            hardware: half(address, offset_of!(libc::sockaddr_ll, sll_hatype)),
            protocol: u16::from_be(half(address, offset_of!(libc::sockaddr_ll, sll_protocol))),
            bytes,
            link_bytes: net.saturating_sub(mac).min(captured),
            wire_bytes: field(offset_of!(libc::tpacket3_hdr, tp_len)),
            vlan: (status & libc::TP_STATUS_VLAN_VALID != 0).then(tag),
            is_outgoing: address.get(offset_of!(libc::sockaddr_ll, sll_pkttype)) == Some(&libc::PACKET_OUTGOING),
            interface: word(address, offset_of!(libc::sockaddr_ll, sll_ifindex)),
        })
    }

    /// What the kernel did with the ring's packets since the last call.
    pub fn statistics(&self) -> io::Result<Statistics> {
        // A `tpacket_stats_v3`, whose last number says how often the ring was full.
        let [packets, dropped, _] = numbers(&self.socket, libc::SOL_PACKET, libc::PACKET_STATISTICS)?;
        Ok(Statistics { packets: packets.into(), dropped: dropped.into(), repeated: 0 })
    }

    /// How the interface is; to be asked when waiting ends at once and without packets.
    pub fn condition(&self) -> io::Result<Condition> {
        let [error] = numbers(&self.socket, libc::SOL_SOCKET, libc::SO_ERROR)?;
        // SAFETY: all-zero bytes are a valid `sockaddr_ll`, which is made of numbers.
        let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
        let mut length = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
        // SAFETY: the kernel writes at most `length` bytes, which is the size of the address it is pointed to.
        check(unsafe { libc::getsockname(self.socket.as_raw_fd(), (&raw mut address).cast(), &raw mut length) })?;
        Ok(match error as c_int {
            _ if address.sll_ifindex == -1 => Condition::Gone,
            0 => Condition::Up,
            libc::ENETDOWN => Condition::Down,
            other => return Err(io::Error::from_raw_os_error(other)),
        })
    }
}

/// Waits until one of the rings has packets, or so many milliseconds. Whether one of them wants to be asked for its
/// [`Condition`].
pub fn wait<'a>(rings: impl Iterator<Item = &'a Ring>, milliseconds: u16) -> io::Result<bool> {
    let watch = |ring: &Ring| libc::pollfd { fd: ring.socket.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    let mut watched: Vec<libc::pollfd> = rings.map(watch).collect();
    // SAFETY: the kernel reads and writes as many `pollfd` as the vector holds.
    let outcome = unsafe { libc::poll(watched.as_mut_ptr(), watched.len() as libc::nfds_t, milliseconds.into()) };
    match check(outcome) {
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(false),
        Err(error) => Err(error),
        Ok(_) => Ok(watched.iter().any(|one| one.revents & libc::POLLERR != 0)),
    }
}

/// The interfaces that there are, with their numbers.
pub fn interfaces() -> io::Result<Vec<(String, u32)>> {
    // SAFETY: the call takes nothing; what it gives is freed below.
    let list = unsafe { libc::if_nameindex() };
    if list.is_null() {
        return Err(io::Error::last_os_error());
    }
    let mut interfaces = Vec::new();
    let mut at = list;
    // SAFETY: the list ends with an entry whose number is 0 and whose name is null (if_nameindex(3)), so that each entry
    // up to there is one, with a name that ends with a zero byte; nothing changes it before it is freed, once.
    unsafe {
        while (*at).if_index != 0 && !(*at).if_name.is_null() {
            interfaces.push((CStr::from_ptr((*at).if_name).to_string_lossy().into_owned(), (*at).if_index));
            at = at.add(1);
        }
        libc::if_freenameindex(list);
    }
    Ok(interfaces)
}

/// The number of the interface of that name, if there is one.
pub fn number(name: &str) -> Option<u32> {
    let name = CString::new(name).ok()?;
    // SAFETY: the name ends with a zero byte and is only read.
    Some(unsafe { libc::if_nametoindex(name.as_ptr()) }).filter(|&number| number != 0)
}

/// Sends whole frames through an interface: how captures are replayed in tests and measurements. Needs CAP_NET_RAW.
pub struct Sender {
    socket: OwnedFd,
}

impl Sender {
    /// A sender through the interface of that number.
    pub fn open(interface: u32) -> io::Result<Sender> {
        let socket = socket()?;
        bind(&socket, interface, 0)?;
        Ok(Sender { socket })
    }

    /// Sends the frames in their order; waits while the interface's queue is full.
    pub fn send(&self, frames: &[&[u8]]) -> io::Result<()> {
        let mut parts: Vec<libc::iovec> = frames
            .iter()
            .map(|frame| libc::iovec { iov_base: frame.as_ptr().cast_mut().cast(), iov_len: frame.len() })
            .collect();
        let message = |part: &mut libc::iovec| {
            // SAFETY: all-zero bytes are a valid `mmsghdr`: null pointers and numbers.
            let mut message: libc::mmsghdr = unsafe { std::mem::zeroed() };
            (message.msg_hdr.msg_iov, message.msg_hdr.msg_iovlen) = (ptr::from_mut(part), 1);
            message
        };
        let mut messages: Vec<libc::mmsghdr> = parts.iter_mut().map(message).collect();
        let mut sent = 0;
        while sent < messages.len() {
            let rest = &mut messages[sent..];
            // SAFETY: the kernel reads the messages of this slice, whose parts and frames live until the end of this
            // function, and writes only their lengths.
            let outcome =
                unsafe { libc::sendmmsg(self.socket.as_raw_fd(), rest.as_mut_ptr(), rest.len().min(1024) as u32, 0) };
            match check(outcome) {
                Ok(count) => sent += count as usize,
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => std::thread::yield_now(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Gives up for good what setuid programs and file capabilities would give this process and its children
/// (PR_SET_NO_NEW_PRIVS, prctl(2)).
pub fn refuse_new_privileges() -> io::Result<()> {
    // SAFETY: the call takes numbers only.
    check(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1 as libc::c_ulong, 0, 0, 0) }).map(drop)
}

/// The memory that the kernel shares.
struct Map {
    start: NonNull<u8>,
    blocks: usize,
}

impl Map {
    fn of(socket: &OwnedFd, blocks: usize) -> io::Result<Map> {
        let (access, kind) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED);
        // SAFETY: a new mapping at a place that the kernel chooses touches no memory of this process.
        let start = unsafe { libc::mmap(ptr::null_mut(), blocks * BLOCK_BYTES, access, kind, socket.as_raw_fd(), 0) };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let start = NonNull::new(start.cast()).ok_or_else(|| io::Error::from(io::ErrorKind::OutOfMemory))?;
        Ok(Map { start, blocks })
    }

    /// The word in which kernel and process tell each other whose the block is.
    fn status(&self, block: usize) -> &AtomicU32 {
        assert!(block < self.blocks);
        let offset = block * BLOCK_BYTES + STATUS;
        // SAFETY: the block lies in the mapping, which lives as long as `self`; the word lies in the block and is aligned,
        // because blocks are page-aligned and STATUS is a multiple of four. Both sides access it as one word only.
        unsafe { AtomicU32::from_ptr(self.start.as_ptr().add(offset).cast()) }
    }

    #[inline]
    fn is_ready(&self, block: usize) -> bool {
        self.status(block).load(Ordering::Acquire) & libc::TP_STATUS_USER != 0
    }

    /// The bytes of a block, which must be ready and not yet released.
    #[inline]
    fn block(&self, block: usize) -> &[u8] {
        assert!(block < self.blocks);
        // SAFETY: the block lies in the mapping, which lives as long as `self`. `Ring` reads only blocks that `is_ready`
        // found handed over, and needs `&mut self` to release them, so no slice outlives the hand-over; until then the
        // kernel writes nothing there (packet_mmap.rst). Any bytes are valid `u8`.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr().add(block * BLOCK_BYTES), BLOCK_BYTES) }
    }

    /// Hands the block back to the kernel.
    fn release(&mut self, block: usize) {
        self.status(block).store(libc::TP_STATUS_KERNEL, Ordering::Release);
    }
}

// SAFETY: the mapping belongs to the process, not to a thread, and only its owner reads it.
unsafe impl Send for Map {}

impl Drop for Map {
    fn drop(&mut self) {
        // SAFETY: this is the mapping made in `of`, of this length, and nothing borrows from it any more. That it cannot
        // be undone would change nothing for anybody.
        let _ = unsafe { libc::munmap(self.start.as_ptr().cast(), self.blocks * BLOCK_BYTES) };
    }
}

fn socket() -> io::Result<OwnedFd> {
    // SAFETY: the call takes numbers only.
    let socket = check(unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0) })?;
    // SAFETY: the descriptor was opened here and belongs to nobody else.
    Ok(unsafe { OwnedFd::from_raw_fd(socket) })
}

fn bind(socket: &OwnedFd, interface: u32, protocol: u16) -> io::Result<()> {
    // SAFETY: all-zero bytes are a valid `sockaddr_ll`, which is made of numbers.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    address.sll_family = libc::AF_PACKET as u16;
    address.sll_protocol = protocol.to_be();
    address.sll_ifindex = interface as c_int;
    let length = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
    // SAFETY: the kernel reads `length` bytes, which is the size of the address it is pointed to.
    check(unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), length) }).map(drop)
}

/// Lets the socket take only what the program takes.
fn attach(socket: &OwnedFd, program: &[Instruction]) -> io::Result<()> {
    let kernels =
        |one: &Instruction| libc::sock_filter { code: one.code, jt: one.if_true, jf: one.if_false, k: one.operand };
    let mut program: Vec<libc::sock_filter> = program.iter().map(kernels).collect();
    let length = u16::try_from(program.len()).map_err(|_| io::Error::from_raw_os_error(libc::E2BIG))?;
    // The kernel copies and checks the program before the call ends.
    let program = libc::sock_fprog { len: length, filter: program.as_mut_ptr() };
    set_at(socket, libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, &program)
}

fn set<T>(socket: &OwnedFd, name: c_int, value: &T) -> io::Result<()> {
    set_at(socket, libc::SOL_PACKET, name, value)
}

fn set_at<T>(socket: &OwnedFd, level: c_int, name: c_int, value: &T) -> io::Result<()> {
    let length = size_of::<T>() as libc::socklen_t;
    let value: *const c_void = ptr::from_ref(value).cast();
    // SAFETY: the kernel reads `length` bytes, which is the size of the value; a program that the value points to (see
    // `attach`) lives until its caller ends, and holds as many instructions as the value says.
    check(unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, value, length) }).map(drop)
}

/// Reads an option that is so many numbers.
fn numbers<const COUNT: usize>(socket: &OwnedFd, level: c_int, name: c_int) -> io::Result<[u32; COUNT]> {
    let mut numbers = [0; COUNT];
    let mut length = size_of::<[u32; COUNT]>() as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` bytes, which is the size of the numbers; any bytes are valid ones.
    check(unsafe { libc::getsockopt(socket.as_raw_fd(), level, name, numbers.as_mut_ptr().cast(), &raw mut length) })?;
    Ok(numbers)
}

fn check(outcome: c_int) -> io::Result<c_int> {
    if outcome < 0 { Err(io::Error::last_os_error()) } else { Ok(outcome) }
}

/// The 32-bit number at `offset`, in the machine's byte order; 0 where the bytes end before.
#[inline]
fn word(bytes: &[u8], offset: usize) -> u32 {
    bytes.get(offset..).and_then(<[u8]>::first_chunk).map_or(0, |bytes| u32::from_ne_bytes(*bytes))
}

/// The 16-bit number at `offset`, in the machine's byte order; 0 where the bytes end before.
#[inline]
fn half(bytes: &[u8], offset: usize) -> u16 {
    bytes.get(offset..).and_then(<[u8]>::first_chunk).map_or(0, |bytes| u16::from_ne_bytes(*bytes))
}

const BLOCK_BYTES: usize = 1 << 20;
/// 8 GiB: no ring needs more.
const MAX_BLOCKS: usize = 1 << 13;
/// Only divides the block for the kernel's check of the numbers; packets take what they need.
const FRAME_BYTES: usize = 2048;
const ETH_P_ALL: u16 = libc::ETH_P_ALL as u16;
/// Where the fields of a block's description lie.
const DESCRIPTION: usize = offset_of!(libc::tpacket_block_desc, hdr);
const STATUS: usize = DESCRIPTION + offset_of!(libc::tpacket_hdr_v1, block_status);
const NUMBER_OF_PACKETS: usize = DESCRIPTION + offset_of!(libc::tpacket_hdr_v1, num_pkts);
const OFFSET_TO_FIRST: usize = DESCRIPTION + offset_of!(libc::tpacket_hdr_v1, offset_to_first_pkt);
/// The address follows the packet's header, aligned.
const ADDRESS: usize = size_of::<libc::tpacket3_hdr>().next_multiple_of(libc::TPACKET_ALIGNMENT);
const _: () = assert!(STATUS.is_multiple_of(align_of::<AtomicU32>()));
