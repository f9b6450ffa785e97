// SPDX-License-Identifier: Apache-2.0

// The wizard on routers that the Internet reaches in one way or another, or not at all.

import test, { before, after, describe } from 'node:test';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { tests } from '../lib/modules.mjs';
import { executable, launch, open, accessibility, screenshot, overflow } from '../lib/browser.mjs';

const SCENES = readFileSync(join(tests, 'browser/scenes.js'), 'utf8');

// What differs from a router with a public address: see where() in scenes.js.
const ROUTERS = {
	changing: {},
	fixed: { isFixed: true },
	nameless: { ddns: { url: '/cgi-bin/luci/admin/system/package-manager', isInstalled: false } },
	ddns: { host: 'home.example.net' },
	elsewhere: { host: 'home.example.net', answer: { addresses: [ '198.51.100.5' ] } },
	unknown: { host: 'home.example.net', answer: { addresses: [] } },
	silent: { host: 'home.example.net', answer: { error: 'no name server' } },
	behind: { addresses: [], situation: { id: 'behind', address: '192.168.0.2', six: false } },
	carrier: { addresses: [], situation: { id: 'carrier', address: '100.64.3.4', six: false } },
	six: { addresses: [ '2001:db8::1' ], situation: { id: 'six', address: '', six: true } },
	offline: { addresses: [], situation: { id: 'offline', address: '', six: false } }
};

describe('how the Internet reaches the router, in Chromium', { skip: executable() ? false : 'SKIP: no Chromium on this machine (set CHROMIUM to its path)' }, () => {
	let browser;

	before(async () => { browser = await launch(); });
	after(() => browser.close());

	async function scene(options, body) {
		const p = await open(browser, options);

		try {
			await p.page.evaluate(SCENES);
			await body(p.page);
			p.verify();
		}
		finally {
			await p.close();
		}
	}
	const calls = page => page.evaluate(() => JSON.parse(JSON.stringify(globalThis.calls)));

	// The wizard of a router at its second step.
	const clientStep = (name, options, body, extra = {}) => scene(options, async page => {
		await page.evaluate(([ w, more ]) => {
			const { answer, ...rest } = w;

			if (answer)
				rest.resolve = host => { calls.push([ 'resolve', host ]); return Promise.resolve(answer); };
			scenes.wizard(Object.assign({ where: scenes.where(rest) }, more));
		}, [ ROUTERS[name], extra ]);
		await page.locator('.lk-foot, .button-row').getByRole('button').last().click();
		await page.locator('.lk-progress li[aria-current]').nth(0).waitFor();
		await page.locator('.lk-verdict .spinning').waitFor({ state: 'detached' });
		await body(page);
	});
	const facts = page => page.locator('.lk-fact').evaluateAll(all => all.map(f => f.className.match(/lk-(good|warn|bad)/)[1] + ': ' + f.querySelector('strong').textContent));

	for (const name of Object.keys(ROUTERS))
		for (const [ size, language, dark ] of [ [ 'desktop', undefined, false ], [ 'phone', 'de', true ], [ 'phone', 'zh_Hans', false ] ])
			test(`${name} is accessible and fits: ${size} ${language || 'en'} ${dark ? 'dark' : 'light'}`, () =>
				clientStep(name, { size, language, dark }, async page => {
					await screenshot(page, [ 'reach', name, size, language || 'en', dark ? 'dark' : 'light' ].join('-'));
					assert.deepEqual(await accessibility(page), []);
					assert.ok(await overflow(page) <= 0, 'wider than the screen by ' + await overflow(page) + ' px');
				}));

	for (const [ name, ...said ] of [
		[ 'changing', 'warn: Only the address 203.0.113.1 leads to this router, and your provider may change it.' ],
		[ 'fixed' ],
		[ 'ddns', 'good: home.example.net leads to this router: 203.0.113.1.' ],
		[ 'elsewhere', 'bad: home.example.net leads to 198.51.100.5, but this router has 203.0.113.1.' ],
		[ 'unknown', 'bad: The router’s name server knows no address of home.example.net.' ],
		[ 'silent', 'warn: The name was not checked.' ],
		[ 'behind', 'warn: Another router stands in front: this one has the private address 192.168.0.2.' ],
		[ 'carrier', 'bad: Your provider shares its IPv4 addresses: 100.64.3.4 cannot be reached from the Internet, and no setting here changes that.' ],
		[ 'six', 'warn: The Internet reaches this router over IPv6 only.', 'warn: Only the address 2001:db8::1 leads to this router, and your provider may change it.' ],
		[ 'offline', 'bad: The router has no address that faces the Internet at the moment.' ] ])
		test('what is told of a router: ' + name, () => clientStep(name, {}, async page => assert.deepEqual(await facts(page), said)));

	test('dynamic DNS is one click away, or its package is named', async () => {
		await clientStep('changing', {}, async page =>
			assert.equal(await page.getByRole('link', { name: 'Set up a name (Dynamic DNS)' }).getAttribute('href'), '/cgi-bin/luci/admin/services/ddns'));
		await clientStep('nameless', {}, async page => {
			assert.equal(await page.getByText('luci-app-ddns').count(), 1);
			assert.equal(await page.getByRole('link', { name: 'System › Software' }).getAttribute('href'), '/cgi-bin/luci/admin/system/package-manager');
		});
	});

	test('the code of a client that knows only an address is marked, and with a name it is not', async () => {
		const save = page => page.getByRole('button', { name: 'Save and show the code' }).click();

		await clientStep('changing', {}, async page => {
			await save(page);
			await page.locator('.lk-qr').waitFor();
			assert.deepEqual(await facts(page), [ 'warn: Only the address 203.0.113.1 leads to this router, and your provider may change it.' ]);
			assert.deepEqual(await accessibility(page), []);
		});
		for (const name of [ 'ddns', 'fixed' ])
			await clientStep(name, {}, async page => {
				await save(page);
				await page.locator('.lk-qr').waitFor();
				assert.deepEqual(await facts(page), []);
			});
	});

	test('a name is looked up when it was typed, and saved', () => clientStep('changing', {}, async page => {
		const name = page.getByLabel('Public name of the router');

		await name.fill('home.example.net');
		assert.deepEqual(await facts(page), [], 'what was said of another name stands no more');
		await name.blur();
		await page.getByText('home.example.net leads to this router: 203.0.113.1.').waitFor();
		await page.getByRole('button', { name: 'Save and show the code' }).click();
		await page.locator('.lk-qr').waitFor();

		const [ [ , asked ], [ , saved ] ] = await calls(page);

		assert.deepEqual([ asked, saved.host ], [ 'home.example.net', 'home.example.net' ]);
	}));

	test('the answer for a name that was changed meanwhile is not shown', () => scene({}, async page => {
		await page.evaluate(() => {
			globalThis.answers = {};
			scenes.wizard({ where: scenes.where({ resolve: host => new Promise(resolve => { answers[host] = resolve; }) }) });
		});
		await page.getByRole('button', { name: 'Next' }).click();
		for (const name of [ 'one.example', 'two.example' ]) {
			await page.getByLabel('Public name of the router').fill(name);
			await page.getByLabel('Public name of the router').blur();
			await page.getByText('Looking ' + name + ' up…').waitFor();
		}
		await page.evaluate(() => { answers['two.example']({ addresses: [ '203.0.113.1' ] }); answers['one.example']({ addresses: [ '198.51.100.1' ] }); });
		await page.getByText('two.example leads to this router').waitFor();
		assert.equal(await page.getByText('one.example').count(), 0);
	}));

	test('a router in front is told every port to forward, those of the new door too', () => clientStep('behind', {}, async page => {
		assert.deepEqual(await page.locator('.lk-ports tbody tr').evaluateAll(rows => rows.map(r => [ ...r.cells ].map(c => c.textContent).join(' ').replace(/[2-5]\d{4} the door SSH/, 'HIGH the door SSH'))),
			[ 'UDP 41641 knocks', 'TCP 20480-26623 knocks', 'TCP 2022 the door NAS – SSH', 'TCP 443 the door web', 'TCP HIGH the door SSH – nas' ]);
	}));

	test('what is wrong is marked, led to, and marked no more when it is right', () => clientStep('behind', {}, async page => {
		const invalid = () => page.locator('[aria-invalid="true"]').evaluateAll(all => all.map(n => document.querySelector('label[for="' + n.id + '"]').textContent));
		const save = () => page.getByRole('button', { name: 'Save and show the code' }).click();

		await page.getByLabel('Name of the client').fill('');
		await save();
		assert.deepEqual(await invalid(), [ 'Name of the client' ]);
		assert.equal(await page.getByRole('alert').textContent(), 'Give the client a name.');
		assert.equal(await page.evaluate(() => document.activeElement.getAttribute('aria-invalid')), 'true');
		await screenshot(page, 'reach-wrong-desktop-en-light');
		assert.deepEqual(await accessibility(page), []);
		await page.getByLabel('Name of the client').fill('Phone');
		await save();
		assert.deepEqual(await invalid(), [ 'Public name of the router' ]);
		await page.getByLabel('Public name of the router').fill('198.51.100.9');
		await save();
		await page.locator('.lk-qr').waitFor();
	}));

	test('the wrong field of the first step is marked, too', () => scene({}, async page => {
		await page.evaluate(() => scenes.wizard());
		await page.getByLabel('To which service?').selectOption('own');
		await page.getByLabel('Port outside').fill('22');
		await page.getByRole('button', { name: 'Next' }).click();
		assert.equal(await page.getByLabel('Port of the service').getAttribute('aria-invalid'), 'true');
		assert.equal(await page.getByLabel('Port outside').getAttribute('aria-invalid'), null);
	}));

	test('each step can be cancelled, and going back keeps what was typed', () => scene({}, async page => {
		await page.evaluate(() => scenes.wizard());
		await page.getByRole('button', { name: 'Cancel' }).click();
		await page.getByLabel('Port outside').fill('4022');
		await page.getByRole('button', { name: 'Next' }).click();
		await page.getByRole('button', { name: 'Cancel' }).click();
		await page.getByRole('button', { name: 'Back' }).click();
		assert.equal(await page.getByLabel('Port outside').inputValue(), '4022');
		assert.deepEqual(await calls(page), [ [ 'close' ], [ 'close' ] ]);
		await page.evaluate(() => scenes.door());
		await page.getByRole('button', { name: 'Next' }).click();
		await page.getByRole('button', { name: 'Back' }).click();
		await page.getByRole('button', { name: 'Next' }).click();
		await page.getByRole('button', { name: 'Cancel' }).click();
		assert.deepEqual((await calls(page)).length, 3);
	}));

	test('a static lease is offered for a host of DHCP, and made only if it is ticked', async () => {
		const leases = [ { address: '192.168.1.100', mac: 'aa', name: 'nas', reserved: false }, { address: '192.168.1.20', mac: 'bb', name: '', reserved: true } ];
		const run = (tick, reserve) => scene({}, async page => {
			await page.evaluate(l => scenes.wizard({ leases: l, zone: 'internet' }), leases);

			const keep = page.getByLabel('Static lease');

			assert.equal(await keep.isChecked(), false, 'it is the owner who agrees');
			if (tick)
				await keep.check();
			await page.getByLabel('Where does the door lead?').selectOption('192.168.1.20');
			assert.equal(await keep.isVisible(), false, 'it has one already');
			await page.getByLabel('Where does the door lead?').selectOption({ label: 'This router' });
			assert.equal(await keep.isVisible(), false, 'the router has no lease');
			await page.getByLabel('Where does the door lead?').selectOption('192.168.1.100');
			await page.getByRole('button', { name: 'Next' }).click();
			await page.getByRole('button', { name: 'Save and show the code' }).click();
			await page.locator('.lk-qr').waitFor();

			const saved = (await calls(page)).find(c => c[0] == 'save')[1];

			assert.deepEqual([ saved.reserve, saved.door.src, saved.door.dest ], [ reserve, 'internet', 'lan' ]);
		});

		await run(true, '192.168.1.100');
		await run(false, null);
	});

	test('a host in another zone gets a door into that zone', () => scene({}, async page => {
		await page.evaluate(() => scenes.wizard());
		await page.getByLabel('Where does the door lead?').selectOption('192.168.1.20');
		await page.getByRole('button', { name: 'Next' }).click();
		await page.getByRole('button', { name: 'Save and show the code' }).click();
		await page.locator('.lk-qr').waitFor();
		assert.equal((await calls(page)).find(c => c[0] == 'save')[1].door.dest, 'guest');
	}));
});
