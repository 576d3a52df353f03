"""Places an order knowing no contract: what there is to call, and with what, is learnt from the
server's reflection, as grpcurl and its kin do.

    python tests/clients/grpc_client.py [127.0.0.1:50051]
"""

import secrets
import sys
import uuid

import grpc
from google.protobuf import json_format
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)

HEALTH = "grpc.health.v1.Health"
CATALOG = "souk.catalog.v1.CatalogService"
AUTH = "souk.auth.v1.AuthService"
ORDERS = "souk.orders.v1.OrdersService"


class Server:
    """A gRPC server and what it says about itself."""

    def __init__(self, address):
        self.channel = grpc.insecure_channel(address)
        self.reflection = ProtoReflectionDescriptorDatabase(self.channel)
        self.pool = DescriptorPool(self.reflection)

    def services(self):
        return set(self.reflection.get_services())

    def call(self, service, method, request=None, metadata=None):
        """Calls an RPC with a request in JSON's terms; answers the response and its metadata."""
        rpc = self.pool.FindServiceByName(service).FindMethodByName(method)
        message = json_format.ParseDict(request or {}, GetMessageClass(rpc.input_type)())
        stub = self.channel.unary_unary(
            f"/{service}/{method}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=GetMessageClass(rpc.output_type).FromString,
        )
        response, call = stub.with_call(
            message, metadata=list((metadata or {}).items()), timeout=20
        )
        return response, dict(call.initial_metadata()) | dict(call.trailing_metadata())

    def details(self, error):
        """The details of an error by the names of their types, which reflection knows, too."""
        status = self.message("google.rpc.Status")
        status.ParseFromString(dict(error.trailing_metadata())["grpc-status-details-bin"])
        details = {}
        for detail in status.details:
            name = detail.type_url.rpartition("/")[2]
            details[name] = self.message(name)
            details[name].ParseFromString(detail.value)
        return details

    def message(self, name):
        return GetMessageClass(self.pool.FindMessageTypeByName(name))()

    def health(self, service):
        """The name of a service's health; that of one which the server does not know is None."""
        try:
            status = self.call(HEALTH, "Check", {"service": service})[0].status
        except grpc.RpcError as error:
            if error.code() == grpc.StatusCode.NOT_FOUND:
                return None
            raise
        response = self.pool.FindMessageTypeByName("grpc.health.v1.HealthCheckResponse")
        return response.enum_types_by_name["ServingStatus"].values_by_number[status].name


def expect(what, actual, wanted):
    assert actual == wanted, f"{what}: expected {wanted!r}, got {actual!r}"


def lists_the_services(server):
    services = server.services()
    missing = {HEALTH, CATALOG, AUTH, ORDERS} - services
    assert not missing, f"reflection lists {sorted(services)} and not {sorted(missing)}"
    for service in (CATALOG, AUTH, ORDERS):
        expect(f"health of {service}", server.health(service), "SERVING")


def signs_up(server):
    """Answers the metadata of a new user's calls."""
    email = f"{uuid.uuid4().hex}@example.com"
    password = secrets.token_urlsafe(18)
    user = {"email": email, "password": password, "name": "A Python client"}
    expect("the new user's e-mail", server.call(AUTH, "Register", user)[0].email, email)
    grant = {"grant_type": "password", "username": email, "password": password}
    token = server.call(AUTH, "CreateToken", grant)[0]
    expect("the type of the token", token.token_type, "Bearer")
    return {"authorization": f"Bearer {token.access_token}"}


def refuses_an_order_without_a_token(server, order):
    try:
        server.call(ORDERS, "CreateOrder", order, {"idempotency-key": str(uuid.uuid4())})
    except grpc.RpcError as error:
        expect("an order without a token", error.code(), grpc.StatusCode.UNAUTHENTICATED)
        expect("its reason", server.details(error)["google.rpc.ErrorInfo"].reason, "UNAUTHENTICATED")
    else:
        raise AssertionError("an order without a token was taken")


def places_an_order(server):
    """Places an order twice with the same key: it is one order, and stock moves once."""
    user = signs_up(server)
    products = server.call(CATALOG, "ListProducts", {"size": 100})[0].data
    product = next((product for product in products if product.available >= 2), None)
    assert product, f"none of {len(products)} products has two units to order"
    order = {"items": [{"product_id": product.id, "quantity": 2}]}
    refuses_an_order_without_a_token(server, order)

    once = user | {"idempotency-key": str(uuid.uuid4())}
    placed, first = server.call(ORDERS, "CreateOrder", order, once)
    assert "idempotent-replayed" not in first, "the first answer says that it is a replay"
    replayed, second = server.call(ORDERS, "CreateOrder", order, once)
    expect("idempotent-replayed", second.get("idempotent-replayed"), "true")
    expect("the replayed order", replayed, placed)

    read = server.call(ORDERS, "GetOrder", {"id": placed.id}, user)[0]
    expect("the order read back", read, placed)
    expect("its items", [(i.product_id, i.quantity) for i in read.items], [(product.id, 2)])
    expect("its unit price", read.items[0].unit_price.value, product.price.value)
    left = server.call(CATALOG, "GetProduct", {"id": product.id})[0].available
    expect("the stock that is left", left, product.available - 2)
    return f"{placed.id}: 2 × {product.name} = {placed.total.value} {placed.currency}"


def main(address="127.0.0.1:50051"):
    server = Server(address)
    lists_the_services(server)
    print(f"Ordered over gRPC, knowing no contract: {places_an_order(server)}")


if __name__ == "__main__":
    main(*sys.argv[1:])
