//! Roles, and the scopes that they expand to.

/// The scopes that the contracts ask for.
pub mod scope {
    /// Changes products, categories and images.
    pub const CATALOG_WRITE: &str = "catalog:write";
    /// Changes how much is in stock.
    pub const STOCK_WRITE: &str = "stock:write";
    /// Reserves stock for an order. For services only: no role has it.
    pub const STOCK_RESERVE: &str = "stock:reserve";
    /// Reads everybody's orders.
    pub const ORDERS_READ_ALL: &str = "orders:read_all";
    /// Sends orders.
    pub const ORDERS_FULFILL: &str = "orders:fulfill";
    /// Gives money back.
    pub const ORDERS_REFUND: &str = "orders:refund";
}

/// What an account may do, by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Whoever has registered. To be signed in is all that it takes to shop: no scopes.
    User,
    /// Runs the shop.
    Admin,
}

impl Role {
    /// The name in the contract and in the database.
    pub fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Admin => "admin",
        }
    }

    fn scopes(self) -> &'static [&'static str] {
        match self {
            Self::User => &[],
            Self::Admin => &[
                scope::CATALOG_WRITE,
                scope::STOCK_WRITE,
                scope::ORDERS_READ_ALL,
                scope::ORDERS_FULFILL,
                scope::ORDERS_REFUND,
            ],
        }
    }
}

/// Reads the names of roles. One that only a newer version knows allows nothing here.
pub fn parse(names: &[String]) -> Vec<Role> {
    let known = |name: &String| {
        [Role::User, Role::Admin].into_iter().find(|role| role.name() == name.as_str())
    };
    names.iter().filter_map(known).collect()
}

/// The `scope` claim of somebody with these roles.
pub fn scope_of(roles: &[Role]) -> String {
    let mut scopes: Vec<_> = roles.iter().flat_map(|role| role.scopes()).copied().collect();
    scopes.sort_unstable();
    scopes.dedup();
    scopes.join(" ")
}

#[cfg(test)]
mod tests {
    use souk_proto::souk::policy::v1::policy::Access;
    use souk_proto::{descriptors, policy_of};

    use super::*;

    #[test]
    fn every_scope_of_the_contracts_can_be_had_and_none_by_people_that_is_for_services() {
        let admin = scope_of(&[Role::User, Role::Admin]);
        let pool = descriptors();
        let asked = pool
            .services()
            .flat_map(|service| service.methods().collect::<Vec<_>>())
            .filter_map(|method| policy_of(&method)?.access);
        for access in asked {
            let Access::Scope(scope) = access else { continue };
            let has = admin.split(' ').any(|granted| granted == scope);
            assert_eq!(has, scope != scope::STOCK_RESERVE, "{scope}");
        }
        assert_eq!(scope_of(&[Role::User]), "");
    }

    #[test]
    fn a_role_of_a_newer_version_allows_nothing() {
        assert_eq!(parse(&["owner".to_owned(), "user".to_owned()]), [Role::User]);
    }
}
