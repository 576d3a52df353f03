"""Orders over REST with a client that openapi-python-client has made from /openapi.json."""

import os
import secrets
import uuid

from souk_client import AuthenticatedClient, Client
from souk_client.api.auth import create_token, register
from souk_client.api.catalog import create_product, get_product, list_products
from souk_client.api.orders import create_order, get_order
from souk_client.models import (
    CreateOrderItem,
    CreateOrderRequest,
    CreateProductRequest,
    CreateTokenRequest,
    CreateTokenRequestGrantType,
    Error,
    Order,
    Product,
    RegisterRequest,
    Token,
    User,
)

URL = os.environ["SOUK_URL"]
ANYONE = Client(base_url=URL)


def sign_in(email, password):
    grant = CreateTokenRequest(CreateTokenRequestGrantType.PASSWORD, username=email, password=password)
    token = create_token.sync(client=ANYONE, body=grant)
    assert isinstance(token, Token), token
    return AuthenticatedClient(base_url=URL, token=token.access_token)


def sign_up():
    email, password = f"{uuid.uuid4().hex}@example.com", secrets.token_urlsafe(18)
    account = RegisterRequest(email=email, password=password, name="A Python client")
    user = register.sync(client=ANYONE, body=account)
    assert isinstance(user, User) and user.email == email, user
    return sign_in(email, password)


def add_product(admin):
    product = CreateProductRequest(sku=uuid.uuid4().hex, name="Espresso cup", price=19.99, available=3)
    made = create_product.sync(client=admin, body=product)
    assert isinstance(made, Product), made
    return made


def place(user, product, key):
    order = CreateOrderRequest([CreateOrderItem(product_id=product.id, quantity=2)])
    return create_order.sync_detailed(client=user, body=order, idempotency_key=key)


def main():
    product = add_product(sign_in(os.environ["SOUK_EMAIL"], os.environ["SOUK_PASSWORD"]))
    products = list_products.sync(client=ANYONE, size=100)
    assert product in products.data, products

    user, key = sign_up(), uuid.uuid4().hex
    order = place(user, product, key).parsed
    assert isinstance(order, Order) and order.total == 39.98, order
    again = place(user, product, key)
    assert again.parsed == order, again
    assert again.headers["idempotent-replayed"] == "true", again.headers
    read = get_order.sync(order.id, client=user)
    assert read == order, read

    short = place(user, product, uuid.uuid4().hex)
    assert short.status_code == 409 and isinstance(short.parsed, Error), short
    assert short.parsed.error.code == "OUT_OF_STOCK", short
    assert short.parsed.error.metadata["available"] == "1", short
    nothing = get_product.sync(order.id, client=ANYONE)
    assert isinstance(nothing, Error) and nothing.error.code == "NOT_FOUND", nothing
    print(f"{order.id}: 2 × {product.name} = {order.total} {order.currency}")


if __name__ == "__main__":
    main()
