//! A working day: what goes on when nobody attacks.

mod admin;
mod call;
mod domain;
mod files;
mod mail;
mod monitor;
mod names;
mod neighbours;
mod trouble;
mod web;

use crate::activity::Activity;
use crate::scene::Scene;

/// The habits of everyone in the office.
pub(crate) fn habits(scene: &Scene) -> Vec<Activity> {
    let rooms = [
        admin::habits,
        call::habits,
        domain::habits,
        files::habits,
        mail::habits,
        monitor::habits,
        names::habits,
        neighbours::habits,
        trouble::habits,
        web::habits,
    ];
    rooms.iter().flat_map(|habits| habits(scene)).collect()
}
