//! What a folder of manifests lacks to run on one machine: backends, endpoints, an ALB.
//!
//! Pure: [`Scene::of`] says which backends are wanted, the caller starts them and says where they
//! are, [`Scene::furnish`] makes complete objects of it. What a person wrote is never left out.

mod alb;
mod classes;
mod crew;
mod door;
mod labels;
mod role;
mod slices;

pub use classes::CONTROLLERS;
pub use crew::{Echo, EchoId};
pub use role::Role;

use edgeway_api::Objects;
use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
};

/// What is to be on stage for one set of objects.
#[derive(Clone, Debug)]
pub struct Scene {
    /// The gateway that is played.
    pub role: Role,
    /// The backends that are wanted, sorted.
    pub echoes: Vec<Echo>,
    /// What a person should know about the choices made, a sentence each.
    pub notes: Vec<String>,
    objects: Objects,
}

/// Where things are.
#[derive(Clone, Debug)]
pub struct Places {
    /// The backends.
    pub echoes: BTreeMap<EchoId, SocketAddr>,
    /// The address of the local gateway.
    pub gateway: IpAddr,
    /// What the gateway adds to each port that it listens on.
    pub gateway_offset: u16,
}

impl Scene {
    /// The scene of `objects`, with the gateway in `role`.
    pub fn of(objects: &Objects, role: Role) -> Self {
        let mut notes = Vec::new();
        let mut objects = objects.clone();
        role.adopt(&mut objects, &mut notes);
        alb::complete(&mut objects, &role, &mut notes);
        let echoes = crew::crew(&objects, |service| role.is_selected_by(service), &mut notes);
        Self { role, echoes, notes, objects }
    }

    /// Objects in which every Service has endpoints on this machine.
    pub fn furnish(&self, places: &Places) -> Objects {
        let mut objects = self.objects.clone();
        slices::of_echoes(&mut objects, &self.echoes, &places.echoes);
        slices::of_gateway(&mut objects, &self.role, places);
        objects
    }
}

#[cfg(test)]
mod tests;
