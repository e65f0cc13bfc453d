//! Any text as a filter expression and as a compiled program: what compiles jumps only forwards and inside itself.
#![no_main]

use libfuzzer_sys::fuzz_target;
use source::transport::filter;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(program) = filter::compile(text, 2048) {
        assert!(program.len() <= 4096);
        for (at, instruction) in program.iter().enumerate() {
            // BPF_JMP, of which BPF_JA has its distance in the operand.
            let steps = match instruction.code & 0x07 {
                0x05 if instruction.code == 0x05 => vec![instruction.operand as usize],
                0x05 => vec![usize::from(instruction.if_true), usize::from(instruction.if_false)],
                _ => continue,
            };
            assert!(steps.iter().all(|step| at + 1 + step < program.len()));
        }
    }
    let _ = filter::read(text, 2048);
});
