//! A working day: what goes on when nobody attacks.

mod admin;
mod call;
mod domain;
mod files;
pub(crate) mod leases;
mod mail;
mod monitor;
pub(crate) mod names;
mod neighbours;
pub(crate) mod shift;
mod trouble;
mod web;

use crate::activity::Activity;
use crate::network::Host;
use crate::scene::Scene;

/// The habits of everyone in the office.
pub(crate) fn habits(scene: &Scene) -> Vec<Activity> {
    let rooms = [
        admin::habits,
        domain::habits,
        files::habits,
        mail::habits,
        monitor::habits,
        neighbours::habits,
        trouble::habits,
        web::habits,
    ];
    let house = rooms.iter().flat_map(|habits| habits(scene));
    house.chain(scene.network.workstations.iter().flat_map(|host| desk(scene, host))).collect()
}

/// The habits of one workstation.
pub(crate) fn desk(scene: &Scene, host: &Host) -> impl Iterator<Item = Activity> {
    let desks = [
        call::desk,
        domain::desk,
        files::desk,
        leases::desk,
        mail::desk,
        names::desk,
        neighbours::desk,
        trouble::desk,
        web::desk,
    ];
    desks.into_iter().flat_map(move |desk| desk(scene, host))
}
