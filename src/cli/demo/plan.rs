//! What happens in the shop: requests as trees of steps, with what can go wrong. Data only.

/// One span of a request.
#[derive(Debug)]
pub(super) struct Step {
    /// Who does it.
    pub(super) service: &'static str,
    /// The span's name.
    pub(super) name: &'static str,
    /// What it is to others.
    pub(super) role: Role,
    /// Its own work, in a usual run.
    pub(super) work_ms: u64,
    /// What it waits for, one after the other.
    pub(super) calls: &'static [Step],
    /// What now and then goes wrong with it.
    pub(super) trouble: Option<Trouble>,
}

/// The kind of a span, with what tells about it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Role {
    /// Answers an HTTP request; method and route are in the name.
    Http,
    /// Answers an RPC of another service.
    Rpc,
    /// Asks a database.
    Database,
    /// Asks somebody outside of the shop.
    Outside,
}

/// How a step misbehaves.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trouble {
    /// Of 1,000 runs, how many fail.
    pub(super) fails_per_mille: u64,
    /// With this.
    pub(super) error: &'static str,
    /// Of 1,000 runs, how many are slow.
    pub(super) slow_per_mille: u64,
    /// And then take at least so long.
    pub(super) slow_ms: u64,
}

/// A request, and its share of all requests in per cent.
pub(super) struct Journey {
    pub(super) share: u64,
    pub(super) root: Step,
}

const fn step(service: &'static str, name: &'static str, role: Role, work_ms: u64, calls: &'static [Step]) -> Step {
    Step { service, name, role, work_ms, calls, trouble: None }
}

const fn troubled(step: Step, trouble: Trouble) -> Step {
    Step { trouble: Some(trouble), ..step }
}

const SLOW_BANK: Trouble =
    Trouble { fails_per_mille: 15, error: "card declined by issuer", slow_per_mille: 40, slow_ms: 700 };
const LOCKED_STOCK: Trouble =
    Trouble { fails_per_mille: 10, error: "deadlock detected on table stock", slow_per_mille: 20, slow_ms: 300 };
const STALE_INDEX: Trouble =
    Trouble { fails_per_mille: 2, error: "search index is read-only", slow_per_mille: 5, slow_ms: 600 };

const RESERVE: Step = step(
    "inventory",
    "Inventory/Reserve",
    Role::Rpc,
    3,
    &[troubled(step("inventory", "UPDATE stock", Role::Database, 9, &[]), LOCKED_STOCK)],
);

const CHARGE: Step = step(
    "payment",
    "Payment/Charge",
    Role::Rpc,
    4,
    &[
        step("payment", "SELECT payment_methods", Role::Database, 3, &[]),
        troubled(step("payment", "POST card-network/authorize", Role::Outside, 60, &[]), SLOW_BANK),
    ],
);

const SHIP: Step =
    step("shipping", "Shipping/Quote", Role::Rpc, 6, &[step("shipping", "GET carrier/rates", Role::Outside, 25, &[])]);

const PLACE_ORDER: Step = step(
    "checkout",
    "Checkout/PlaceOrder",
    Role::Rpc,
    8,
    &[
        step("cart", "Cart/Get", Role::Rpc, 2, &[step("cart", "HGETALL cart", Role::Database, 1, &[])]),
        RESERVE,
        SHIP,
        CHARGE,
        step("checkout", "INSERT orders", Role::Database, 7, &[]),
        step("email", "Email/Confirm", Role::Rpc, 5, &[]),
    ],
);

/// Everything that shoppers do.
pub(super) const JOURNEYS: &[Journey] = &[
    Journey {
        share: 45,
        root: step(
            "frontend",
            "GET /product/{id}",
            Role::Http,
            4,
            &[
                step(
                    "catalog",
                    "Catalog/Product",
                    Role::Rpc,
                    3,
                    &[step("catalog", "SELECT products", Role::Database, 6, &[])],
                ),
                step(
                    "inventory",
                    "Inventory/Level",
                    Role::Rpc,
                    2,
                    &[step("inventory", "SELECT stock", Role::Database, 4, &[])],
                ),
            ],
        ),
    },
    Journey {
        share: 20,
        root: step(
            "frontend",
            "GET /search",
            Role::Http,
            5,
            &[step(
                "catalog",
                "Catalog/Search",
                Role::Rpc,
                8,
                &[troubled(step("catalog", "POST search/_query", Role::Outside, 30, &[]), STALE_INDEX)],
            )],
        ),
    },
    Journey {
        share: 20,
        root: step(
            "frontend",
            "POST /cart",
            Role::Http,
            3,
            &[step("cart", "Cart/Add", Role::Rpc, 2, &[step("cart", "HSET cart", Role::Database, 1, &[])])],
        ),
    },
    Journey { share: 15, root: step("frontend", "POST /checkout", Role::Http, 6, &[PLACE_ORDER]) },
];

/// Every service that takes part.
pub(super) const SERVICES: [&str; 8] =
    ["frontend", "catalog", "cart", "checkout", "inventory", "payment", "shipping", "email"];

#[cfg(test)]
mod tests {
    use super::*;

    fn services(step: &Step) -> Vec<&'static str> {
        std::iter::once(step.service).chain(step.calls.iter().flat_map(services)).collect()
    }

    #[test]
    fn shares_make_a_hundred_and_every_service_works() {
        assert_eq!(JOURNEYS.iter().map(|journey| journey.share).sum::<u64>(), 100);
        let used: Vec<_> = JOURNEYS.iter().flat_map(|journey| services(&journey.root)).collect();
        assert!(SERVICES.iter().all(|service| used.contains(service)));
        assert!(used.iter().all(|service| SERVICES.contains(service)));
    }
}
