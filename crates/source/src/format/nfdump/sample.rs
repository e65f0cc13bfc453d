//! A conversation as nfdump keeps it and prints it: the fullest that these formats can give.

/// Both directions as lines that `nfdump -o csv` prints.
pub(super) fn lines() -> Vec<Vec<u8>> {
    let lines = [
        "ts,te,td,sa,da,sp,dp,pr,flg,fwd,stos,ipkt,ibyt,opkt,obyt,in,out",
        "2023-11-14 22:13:20.250,2023-11-14 22:13:22.750,2.500,192.0.2.2,192.0.2.1,443,50000,TCP,...AP.SF,0,0,12,9000,0,0,0,0",
        "2023-11-14 22:13:20.250,2023-11-14 22:13:22.750,2.500,192.0.2.1,192.0.2.2,50000,443,TCP,...AP.SF,0,0,10,1000,0,0,0,0",
    ];
    lines.map(|line| line.as_bytes().to_vec()).into()
}

/// Both directions in a file of layout 2.
pub(super) fn file() -> Vec<Vec<u8>> {
    let mut header = vec![0x0c, 0xa5, 2, 0];
    header.resize(40, 0);
    let (client, server) = (([1, 2, 0, 192], 50_000), ([2, 2, 0, 192], 443));
    let records = [record(server, client, 12, 9000), record(client, server, 10, 1000)].concat();
    let sizes = [2, records.len() as u32].map(u32::to_le_bytes).concat();
    let block = [&sizes[..], &3u16.to_le_bytes(), &0u16.to_le_bytes(), &records].concat();
    vec![[header, block].concat()]
}

/// A record with its generic element and its addresses, which lie in the order of the machine's numbers.
fn record(source: ([u8; 4], u16), destination: ([u8; 4], u16), packets: u64, bytes: u64) -> Vec<u8> {
    let [first, last, received] = [1_700_000_000_250u64, 1_700_000_002_750, 1_700_000_007_750];
    let mut generic = [first, last, received, packets, bytes].map(u64::to_le_bytes).concat();
    generic.extend([source.1, destination.1].map(u16::to_le_bytes).concat());
    generic.extend([6, 0x1b, 0, 0]);
    let element =
        |number: u16, body: &[u8]| [&number.to_le_bytes()[..], &(4 + body.len() as u16).to_le_bytes(), body].concat();
    let elements = [element(1, &generic), element(2, &[source.0, destination.0].concat())].concat();
    let header = [11, 12 + elements.len() as u16, 2, 0, 3, 0].map(u16::to_le_bytes).concat();
    [header, elements].concat()
}
