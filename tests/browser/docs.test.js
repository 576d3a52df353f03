// The pages of the gateway in Chromium: each renders, asks nobody else for anything, and can be used.
'use strict';

const assert = require('node:assert/strict');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { after, before, test } = require('node:test');
const { chromium } = require('playwright-core');

const { SOUK_URL: origin, SOUK_EMAIL, SOUK_PASSWORD, SOUK_PICTURES: pictures } = process.env;
const LIMIT = 20_000;

let browser;
let profile;

before(async () => {
  profile = fs.mkdtempSync(path.join(os.tmpdir(), 'souk-browser-'));
  browser = await chromium.launchPersistentContext(profile, {
    executablePath: '/usr/bin/chromium',
    headless: true,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
  browser.setDefaultTimeout(LIMIT);
});

after(async () => {
  await browser?.close();
  fs.rmSync(profile, { recursive: true, force: true });
});

/** A test with a page of its own, which must not complain, nor ask anybody but the gateway. */
function visits(promise, visit) {
  test(promise, async () => {
    const page = await browser.newPage();
    const wrong = [];
    page.on('request', (request) => {
      const { protocol } = new URL(request.url());
      const isOurs = request.url().startsWith(`${origin}/`) || ['data:', 'blob:'].includes(protocol);
      if (!isOurs) wrong.push(`asks ${request.url()}`);
    });
    page.on('console', (message) => {
      if (['error', 'warning'].includes(message.type())) wrong.push(message.text());
    });
    page.on('pageerror', (error) => wrong.push(error.message));
    try {
      await visit(page);
      assert.deepEqual(wrong, []);
    } finally {
      await page.close();
    }
  });
}

function picture(page, name) {
  return page.screenshot({ path: path.join(pictures, `${name}.png`) });
}

/** An operation of Swagger UI, opened to be tried. */
async function tryOut(page, method, route) {
  const operation = page.locator(`.opblock-${method}`, { has: page.locator(`[data-path="${route}"]`) });
  await operation.locator('.opblock-summary-control').click();
  await operation.getByRole('button', { name: 'Try it out' }).click();
  return operation;
}

/** Executes it; the status and the body that came back, which is in view then. */
async function execute(operation) {
  await operation.getByRole('button', { name: 'Execute' }).click();
  const answer = operation.locator('.live-responses-table .response').first();
  await answer.evaluate((element) => element.scrollIntoView());
  const status = await answer.locator('.response-col_status').innerText();
  const body = await answer.locator('.response-col_description code').first().innerText();
  return { status: Number.parseInt(status, 10), body: JSON.parse(body) };
}

async function signIn(page) {
  const operation = await tryOut(page, 'post', '/v1/auth/token');
  const grant = { grant_type: 'password', username: SOUK_EMAIL, password: SOUK_PASSWORD };
  await operation.locator('textarea').fill(JSON.stringify(grant));
  const { status, body } = await execute(operation);
  assert.equal(status, 200);
  return body.access_token;
}

visits('the overview leads to everything that it names', async (page) => {
  await page.goto(origin);
  await picture(page, 'overview');
  const links = await page.locator('main a').evaluateAll((all) => all.map((link) => link.href));
  assert.ok(links.length > 10, `${links}`);
  for (const link of links) {
    const response = await page.request.get(link);
    assert.equal(response.status(), 200, link);
  }
});

visits('the page of an error shows an answer with it', async (page) => {
  await page.goto(`${origin}/docs/errors`);
  await picture(page, 'errors');
  await page.getByRole('link', { name: 'OUT_OF_STOCK' }).click();
  await page.getByRole('heading', { name: 'Remedy' }).waitFor();
  const answer = await page.locator('pre').last().innerText();
  assert.match(answer, /^HTTP\/1.1 409 Conflict\n[^]*"code": "OUT_OF_STOCK"/);
  await picture(page, 'error');
});

visits('"Try it out" lists products', async (page) => {
  await page.goto(`${origin}/docs`);
  const { status, body } = await execute(await tryOut(page, 'get', '/v2/products'));
  assert.equal(status, 200);
  assert.ok(body.data.length > 0 && body.data[0].id.startsWith('prod_'), JSON.stringify(body));
  await picture(page, 'try-it-out');
});

visits('an order can be placed after signing in, until the page is left', async (page) => {
  await page.goto(`${origin}/docs`);
  await signIn(page);
  await page.getByText('Signed in').waitFor();
  const products = await page.request.get(`${origin}/v2/products?size=1`);
  const [product] = (await products.json()).data;
  const operation = await tryOut(page, 'post', '/v1/orders');
  await operation.locator('[data-param-name="Idempotency-Key"] input').fill('from-a-browser');
  const order = { items: [{ product_id: product.id, quantity: 1 }] };
  await operation.locator('textarea').fill(JSON.stringify(order));
  const { status, body } = await execute(operation);
  assert.equal(status, 201, JSON.stringify(body));
  assert.equal(body.items[0].product_id, product.id);
  await picture(page, 'order');
  await page.reload();
  await page.locator('.btn.authorize.unlocked').waitFor();
});

visits('"Authorize" takes a token', async (page) => {
  await page.goto(`${origin}/docs`);
  const token = await signIn(page);
  await page.reload();
  await page.locator('.btn.authorize').click();
  const dialog = page.locator('.modal-ux');
  await dialog.locator('input').fill(token);
  await picture(page, 'authorize');
  await dialog.getByRole('button', { name: 'Apply credentials' }).click();
  await dialog.getByRole('button', { name: 'Close' }).click();
  const { status, body } = await execute(await tryOut(page, 'get', '/v1/me'));
  assert.deepEqual([status, body.email], [200, SOUK_EMAIL]);
});

visits('the reference can be read and searched', async (page) => {
  await page.goto(`${origin}/redoc`);
  await page.getByRole('heading', { name: 'Lists all products' }).waitFor();
  await picture(page, 'reference');
  await page.getByPlaceholder('Search...').fill('cancels');
  await page.locator('[data-role="search:results"]').getByText('Cancels').first().waitFor();
});

visits('pages fit a phone, in light and in darkness', async (page) => {
  await page.setViewportSize({ width: 360, height: 740 });
  const pages = [
    ['overview', '/'],
    ['try', '/docs'],
    ['reference', '/redoc'],
    ['errors', '/docs/errors'],
    ['error', '/docs/errors/IN_FLIGHT'],
  ];
  for (const [name, route] of pages) {
    for (const colorScheme of ['light', 'dark']) {
      await page.emulateMedia({ colorScheme });
      await page.goto(origin + route, { waitUntil: 'networkidle' });
      const width = await page.evaluate(() => document.documentElement.scrollWidth);
      assert.ok(width <= 360, `${route} is ${width} wide`);
      await picture(page, `${name}-phone-${colorScheme}`);
    }
  }
});

visits('the keyboard comes past the bar', async (page) => {
  await page.goto(origin);
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await page.keyboard.press('Tab');
  const focused = await page.evaluate(() => document.activeElement.closest('main') !== null);
  assert.ok(focused, 'the first link of the content has the focus');
});
