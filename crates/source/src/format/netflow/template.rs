//! Templates: which fields the records of a set have (RFC 7011 s.3.4, RFC 3954 s.5.2 and s.6.1).

use std::collections::HashMap;
use std::sync::Arc;

use flow::{Duration, Time};

use super::role::Role;

/// What the records of a set look like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    pub(super) fields: Vec<Field>,
    /// Its records tell of the exporter, not of flows.
    pub(super) is_options: bool,
    /// Bytes of a record; of one with fields of variable length the least.
    pub(super) record_bytes: usize,
    pub(super) is_variable: bool,
    /// When the exporter sent it.
    pub(super) sent: Time,
}

/// A field of a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Who numbers it: 0 is IANA, [`REVERSE`] IANA for the other direction (RFC 5103), others by their private
    /// enterprise number.
    pub enterprise: u32,
    /// Its number.
    pub number: u16,
    /// Its length in bytes; [`VARIABLE`] where each record tells.
    pub length: u16,
    /// It tells what the record is about rather than something of it (RFC 7011 s.3.4.2.1). In NetFlow version 9 its
    /// number then is of a list of its own: 1 system, 2 interface, 3 line card, 4 cache, 5 template.
    pub is_scope: bool,
    pub(super) role: Role,
}

/// The private enterprise number of elements seen in reverse direction (RFC 5103 s.6.1).
pub const REVERSE: u32 = 29_305;
/// A length that each record tells (RFC 7011 s.7).
pub const VARIABLE: u16 = 0xffff;

impl Field {
    /// A field whose role is told by its number.
    pub(super) const fn new(enterprise: u32, number: u16, length: u16) -> Field {
        Field { enterprise, number, length, is_scope: false, role: Role::of(enterprise, number) }
    }

    fn scope(self, version: u16) -> Field {
        let role = match (version, self.number) {
            (9, 2) => Role::Ingress,
            (9, _) => Role::None,
            _ => self.role,
        };
        Field { is_scope: true, role, ..self }
    }
}

impl Template {
    /// A template of these fields; `None` where its records would have no bytes.
    pub(super) fn new(fields: Vec<Field>, is_options: bool, sent: Time) -> Option<Template> {
        let is_variable = fields.iter().any(|field| field.length == VARIABLE);
        // A field of variable length has at least the byte that tells it.
        let bytes = |field: &Field| if field.length == VARIABLE { 1 } else { usize::from(field.length) };
        let record_bytes = fields.iter().map(bytes).sum();
        (record_bytes > 0).then_some(Template { fields, is_options, record_bytes, is_variable, sent })
    }

    /// The length of the record that starts `bytes`; `None` where it is cut.
    pub(super) fn length_of(&self, bytes: &[u8]) -> Option<usize> {
        if !self.is_variable {
            return (bytes.len() >= self.record_bytes).then_some(self.record_bytes);
        }
        let mut at = 0;
        for field in &self.fields {
            let (start, length) = field.extent(bytes.get(at..)?)?;
            at = at.checked_add(start + length).filter(|end| *end <= bytes.len())?;
        }
        Some(at)
    }
}

impl Field {
    /// Where its value starts in the rest of a record, and the value's length.
    #[inline]
    pub(super) fn extent(&self, rest: &[u8]) -> Option<(usize, usize)> {
        if self.length != VARIABLE {
            return Some((0, usize::from(self.length)));
        }
        match *rest.first()? {
            255 => Some((3, usize::from(u16::from_be_bytes([*rest.get(1)?, *rest.get(2)?])))),
            length => Some((1, usize::from(length))),
        }
    }
}

/// The templates of one observation domain of one exporter.
#[derive(Debug, Default)]
pub(super) struct Templates {
    known: HashMap<u16, Arc<Template>>,
    /// Of all of them.
    fields: usize,
}

/// What a set of templates told.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Told {
    /// Templates that are new or another than before.
    pub(super) ids: Vec<u16>,
    /// What of the set could not be used, by reason.
    pub(super) skips: Vec<&'static str>,
}

impl Templates {
    /// The template, unless it was told too long ago (RFC 7011 s.8.4: exporters repeat them).
    pub(super) fn find(&self, id: u16, now: Time) -> Option<Arc<Template>> {
        self.known.get(&id).filter(|template| now.since(template.sent) <= LIFETIME).cloned()
    }

    /// Forgets all, as when the exporter was started anew.
    pub(super) fn clear(&mut self) {
        *self = Templates::default();
    }

    /// Takes in a set of templates, or of options templates.
    pub(super) fn read(&mut self, version: u16, set: u16, mut body: &[u8], sent: Time) -> Told {
        let is_options = matches!(set, 1 | 3);
        let mut told = Told::default();
        while let Some((id, rest)) = u16_of(body).filter(|_| body.len() >= 4) {
            if id < 256 && !(version == 10 && id == set) {
                // Padding, which only a multiple of four bytes needs; exporters differ in how much they write.
                if body.iter().any(|&byte| byte != 0) {
                    told.skips.push("template with a reserved number");
                }
                break;
            }
            match read_one(version, is_options, rest) {
                Ok((Some(fields), rest)) => {
                    body = rest;
                    self.insert(id, fields, is_options, sent, &mut told);
                }
                Ok((None, rest)) => {
                    body = rest;
                    self.withdraw(id, set);
                }
                Err(reason) => {
                    told.skips.push(reason);
                    break;
                }
            }
        }
        told
    }

    fn insert(&mut self, id: u16, fields: Vec<Field>, is_options: bool, sent: Time, told: &mut Told) {
        let before = self.known.get(&id).map_or(0, |template| template.fields.len());
        let count = fields.len();
        let Some(template) = Template::new(fields, is_options, sent) else {
            return told.skips.push("template of records without bytes");
        };
        if self.fields - before + count > MAX_FIELDS {
            return told.skips.push("template beyond the room for one exporter's templates");
        }
        self.fields = self.fields - before + count;
        self.known.insert(id, Arc::new(template));
        told.ids.push(id);
    }

    /// RFC 7011 s.8.1: a template without fields withdraws; the number of the set itself withdraws all of its kind.
    fn withdraw(&mut self, id: u16, set: u16) {
        if id == set {
            self.known.retain(|_, template| template.is_options != (set == 3));
        } else {
            self.known.remove(&id);
        }
        self.fields = self.known.values().map(|template| template.fields.len()).sum();
    }
}

/// The fields of the next template after its number, and the bytes after it; `None` for a withdrawal.
fn read_one(version: u16, is_options: bool, body: &[u8]) -> Result<(Option<Vec<Field>>, &[u8]), &'static str> {
    const CUT: &str = "template cut short";
    let (first, mut rest) = u16_of(body).ok_or(CUT)?;
    let (mut count, mut scopes) = (usize::from(first), 0);
    if is_options && (version == 9 || count > 0) {
        let (second, after) = u16_of(rest).ok_or(CUT)?;
        rest = after;
        if version == 9 {
            // RFC 3954 s.6.1 states bytes, each field having four.
            scopes = usize::from(first) / 4;
            count = scopes + usize::from(second) / 4;
        } else {
            scopes = usize::from(second);
        }
    }
    if count == 0 && version == 10 {
        return Ok((None, rest));
    }
    // What remains bounds the count, whatever it claims.
    let mut fields = Vec::with_capacity(count.min(rest.len() / 4));
    for position in 0..count {
        let (number, after) = u16_of(rest).ok_or(CUT)?;
        let (length, after) = u16_of(after).ok_or(CUT)?;
        rest = after;
        let mut enterprise = 0;
        if version == 10 && number & 0x8000 != 0 {
            let (high, after) = u16_of(rest).ok_or(CUT)?;
            let (low, after) = u16_of(after).ok_or(CUT)?;
            rest = after;
            enterprise = u32::from(high) << 16 | u32::from(low);
        }
        let number = if version == 10 { number & 0x7fff } else { number };
        let field = Field::new(enterprise, number, length);
        fields.push(if position < scopes { field.scope(version) } else { field });
    }
    Ok((Some(fields), rest))
}

fn u16_of(bytes: &[u8]) -> Option<(u16, &[u8])> {
    bytes.split_first_chunk().map(|(number, rest)| (u16::from_be_bytes(*number), rest))
}

/// Real exporters have some twenty templates of some thirty fields.
const MAX_FIELDS: usize = 4096;
/// Exporters repeat a template every few minutes at the latest; one not heard of for a day means something else by now.
const LIFETIME: Duration = Duration::from_secs(86_400);

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time::from_nanoseconds(0);

    #[test]
    fn a_template_of_the_same_number_replaces_the_former() {
        let mut templates = Templates::default();
        templates.read(10, 2, &[1, 0, 0, 1, 0, 8, 0, 4], NOW);
        assert_eq!(templates.find(256, NOW).unwrap().record_bytes, 4);
        templates.read(10, 2, &[1, 0, 0, 2, 0, 8, 0, 4, 0, 12, 0, 4], NOW);
        assert_eq!(templates.find(256, NOW).unwrap().record_bytes, 8);
        assert_eq!(templates.fields, 2);
    }

    #[test]
    fn a_template_is_withdrawn_alone_or_with_all_of_its_kind() {
        let mut templates = Templates::default();
        templates.read(10, 2, &[1, 0, 0, 1, 0, 8, 0, 4, 1, 1, 0, 1, 0, 8, 0, 4], NOW);
        templates.read(10, 3, &[1, 2, 0, 1, 0, 1, 0, 8, 0, 4], NOW);
        templates.read(10, 2, &[1, 0, 0, 0], NOW);
        assert!(templates.find(256, NOW).is_none() && templates.find(257, NOW).is_some());
        templates.read(10, 2, &[0, 2, 0, 0], NOW);
        assert!(templates.find(257, NOW).is_none() && templates.find(258, NOW).is_some());
        templates.read(10, 3, &[0, 3, 0, 0], NOW);
        assert!(templates.find(258, NOW).is_none());
    }

    #[test]
    fn a_template_that_was_not_repeated_for_a_day_is_forgotten() {
        let mut templates = Templates::default();
        templates.read(9, 0, &[1, 0, 0, 1, 0, 8, 0, 4], NOW);
        assert!(templates.find(256, NOW + Duration::from_secs(86_400)).is_some());
        assert!(templates.find(256, NOW + Duration::from_secs(86_401)).is_none());
    }

    #[test]
    fn a_template_of_records_without_bytes_is_refused() {
        let told = Templates::default().read(9, 0, &[1, 0, 0, 1, 0, 8, 0, 0], NOW);
        assert_eq!(told.skips, ["template of records without bytes"]);
    }

    #[test]
    fn a_claimed_count_of_fields_costs_no_memory() {
        let told = Templates::default().read(9, 0, &[1, 0, 0xff, 0xff, 0, 8, 0, 4], NOW);
        assert_eq!(told.skips, ["template cut short"]);
    }

    #[test]
    fn the_templates_of_one_exporter_have_bounds() {
        let mut templates = Templates::default();
        let mut skips = 0;
        for id in 256..u16::MAX {
            let set = [&id.to_be_bytes()[..], &[0, 3, 0, 8, 0, 4, 0, 12, 0, 4, 0, 1, 0, 4]].concat();
            skips += templates.read(9, 0, &set, NOW).skips.len();
        }
        assert_eq!((templates.known.len(), skips), (1365, 65_535 - 256 - 1365));
    }
}
