// SPDX-License-Identifier: Apache-2.0

import test, { before, after, describe } from 'node:test';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { tests } from '../lib/modules.mjs';
import { executable, launch, open, accessibility, screenshot, overflow } from '../lib/browser.mjs';

const SCENES = readFileSync(join(tests, 'browser/scenes.js'), 'utf8');

describe('in Chromium', { skip: executable() ? false : 'SKIP: no Chromium on this machine (set CHROMIUM to its path)' }, () => {
	let browser;

	before(async () => { browser = await launch(); });
	after(() => browser.close());

	// Opens a page with one scene, runs body, and makes sure that nothing was asked of any other host.
	async function scene(name, options, body) {
		const p = await open(browser, options);

		try {
			await p.page.evaluate(SCENES);
			await p.page.evaluate(n => scenes[n](), name);
			await body(p.page);
			p.verify();
		}
		finally {
			await p.close();
		}
	}
	const calls = page => page.evaluate(() => JSON.parse(JSON.stringify(globalThis.calls)));

	for (const name of [ 'overview', 'look', 'wizard', 'door', 'device', 'key', 'code', 'stealth', 'sequence', 'rows', 'importer' ])
		for (const [ size, language, dark ] of [ [ 'desktop', undefined, false ], [ 'phone', 'de', true ], [ 'phone', 'zh_Hans', false ] ])
			test(`${name} is accessible and fits: ${size} ${language || 'en'} ${dark ? 'dark' : 'light'}`, () =>
				scene(name, { size, language, dark }, async page => {
					await screenshot(page, [ name, size, language || 'en', dark ? 'dark' : 'light' ].join('-'));
					assert.deepEqual(await accessibility(page), []);
					assert.ok(await overflow(page) <= 0, 'wider than the screen by ' + await overflow(page) + ' px');
				}));

	test('titles are text, never HTML', () => scene('overview', {}, async page => {
		assert.equal(await page.locator('#root img').count(), 0);
		assert.ok(await page.getByRole('heading', { name: '<img src=x onerror=alert(1)>' }).isVisible());
	}));

	test('buttons of a grant and of a door do what they say', () => scene('overview', {}, async page => {
		await page.getByRole('button', { name: 'Close now NAS – SSH 203.0.113.7' }).click();
		await page.getByRole('button', { name: 'Open for an address… NAS – SSH' }).click();
		assert.deepEqual(await calls(page), [ [ 'close', 'nas_ssh', '203.0.113.7' ], [ 'open', 'nas_ssh' ] ]);
		assert.equal(await page.getByRole('button', { name: 'Open for an address… off' }).count(), 0, 'a door that is off cannot be opened');
	}));

	test('who may only look has no buttons and no fields', () => scene('look', {}, async page => {
		assert.equal(await page.locator('#root button, #root input, #root select').count(), 0);
	}));

	test('countdowns go on and end at zero', () => scene('overview', {}, async page => {
		const times = () => page.locator('.lk-timer time').allTextContents();

		assert.deepEqual(await times(), [ '9:41', '5:00' ]);
		await page.evaluate(() => need('latchkey.status').tick(root, scenes.NOW + 301000));
		assert.deepEqual(await times(), [ '4:40', '0:00' ]);
		assert.equal(await page.locator('.lk-timer time').first().getAttribute('datetime'), 'PT280S');
	}));

	test('the keyboard stays where it was when the page is drawn anew', () => scene('overview', {}, async page => {
		await page.getByRole('button', { name: 'Open for an address… NAS – SSH' }).focus();
		await page.evaluate(() => scenes.overview());
		assert.equal(await page.evaluate(() => document.activeElement.getAttribute('data-key')), 'open/nas_ssh');
	}));

	test('only what a person can see makes the page be drawn anew', () => scene('overview', {}, async page => {
		const same = await page.evaluate(() => {
			const { fingerprint } = need('latchkey.status');
			const later = structuredClone(scenes.status);

			later.now = new Date(Date.parse(later.now) + 1000).toISOString();
			later.doors[0].grants[0].left--;

			const more = structuredClone(later);

			more.doors[0].grants.pop();

			return [ fingerprint(scenes.status, scenes.events) == fingerprint(later, scenes.events),
				fingerprint(scenes.status, scenes.events) == fingerprint(more, scenes.events) ];
		});

		assert.deepEqual(same, [ true, false ]);
	}));

	test('first use needs three presses to the code', () => scene('wizard', {}, async page => {
		assert.equal(await page.getByLabel('Where does the door lead?').inputValue(), '192.168.1.100');
		const outside = await page.getByLabel('Port outside').inputValue();

		assert.match(outside, /^[2-5]\d{4}$/);
		await page.getByRole('button', { name: 'Next' }).click();
		await page.getByRole('button', { name: 'Save and show the code' }).click();
		await page.getByRole('img', { name: 'QR code for the client' }).waitFor();

		const [ [ , saved ], [ offer, client ], [ , address ] ] = await calls(page);

		assert.deepEqual({ ...saved.door }, { '.name': 'nas_ssh_2', title: 'SSH – nas', src: 'wan', proto: [ 'tcp' ], port: outside, open_for: '10m', enabled: '1',
			dest: 'lan', dest_port: '22', dest_ip: '192.168.1.100' });
		assert.deepEqual([ saved.client['.name'], saved.client.door, saved.client.kind ], [ 'my_phone', [ 'nas_ssh_2' ], 'latchkey' ]);
		assert.deepEqual(saved.main, { enabled: '1' });
		assert.deepEqual([ offer, client, saved.host ], [ 'offer', 'my_phone', '' ]);
		assert.match(address, /^http:\/\/192\.168\.1\.1\/latchkey\/#[\w-]{22}$/);
		assert.equal(await page.getByLabel('Command line').inputValue(), 'latchkey add ' + address);
		assert.equal(await page.getByText('Works once, within 15 minutes, in your home network.').count(), 1);
		assert.ok(!(await page.content()).includes(saved.client.key), 'the key stands on the page');
		await page.getByRole('button', { name: 'Done' }).click();
		assert.deepEqual((await calls(page)).pop(), [ 'close' ]);
	}));

	test('the code is accessible and fits a phone', () => scene('wizard', { size: 'phone' }, async page => {
		await page.getByRole('button', { name: 'Next' }).click();
		await page.getByRole('button', { name: 'Save and show the code' }).click();
		await page.locator('.lk-qr').waitFor();
		await screenshot(page, 'code-phone-en-light');
		assert.deepEqual(await accessibility(page), []);
		assert.ok(await overflow(page) <= 0);
	}));

	test('a new code takes the place of the old one, and the link is shown only at a press', () => scene('code', {}, async page => {
		await page.getByLabel('Public name of the router').fill('198.51.100.9');
		await page.getByRole('button', { name: 'Show the code' }).click();
		await page.getByRole('button', { name: 'Show a new code' }).click();
		await page.waitForFunction(() => calls.filter(c => c[0] == 'qr').length == 2);

		const seen = await calls(page);
		const addresses = seen.filter(c => c[0] == 'qr').map(c => c[1]);

		assert.deepEqual(seen.map(c => c[0]), [ 'save', 'offer', 'qr', 'offer', 'qr' ]);
		assert.deepEqual([ seen[0][1].host, seen[1][1] ], [ '198.51.100.9', 'anna' ]);
		assert.notEqual(addresses[0], addresses[1]);
		assert.equal(await page.getByLabel('Command line').inputValue(), 'latchkey add ' + addresses[1]);
		assert.equal(await page.getByRole('link', { name: 'Open the knock page here' }).getAttribute('href'), addresses[1]);
		assert.equal(await page.evaluate(() => document.activeElement.className), 'lk-qr');
		assert.ok(!(await page.content()).includes('SECRET'));
		await page.getByRole('button', { name: 'Show the link itself' }).click();
		assert.match(await page.getByLabel('Link', { exact: true }).inputValue(), /SECRET/);
		assert.deepEqual(await page.locator('a').evaluateAll(all => all.filter(a => /SECRET/.test(a.href)).length), 0, 'the link can be opened by a click');
		assert.deepEqual(await accessibility(page), []);
	}));

	test('what the router finds doubtful stands above the code', () => scene('code', { size: 'phone' }, async page => {
		await page.evaluate(() => {
			const ctx = scenes.context();
			const offer = ctx.offer;

			ctx.offer = c => offer(c).then(o => Object.assign(o, { warnings: [ { word: 'private-address', text: 'x' }, { word: 'of-later', text: 'the router is <b>tired' } ] }));
			scenes.put(need('latchkey.device').newCode(ctx, { '.name': 'anna', title: 'Anna', door: [ 'nas_ssh' ] }));
		});
		await page.getByRole('button', { name: 'Show the code' }).click();
		await page.locator('.lk-qr').waitFor();

		const said = await page.locator('.lk-share .lk-conflict').allInnerTexts();

		assert.equal(said.length, 2);
		assert.match(said[0], /This router has a private address/);
		assert.match(said[1], /the router is <b>tired/);
		assert.ok(await page.evaluate(() => document.querySelector('.lk-conflict').getBoundingClientRect().top < document.querySelector('.lk-qr').getBoundingClientRect().top));
		await screenshot(page, 'code-doubtful-phone-en-light');
		assert.deepEqual(await accessibility(page), []);
		assert.ok(await overflow(page) <= 0);
	}));

	test('the code for the installed app is shown only at a press, and no camera opens it', () => scene('code', {}, async page => {
		await page.getByRole('button', { name: 'Show the code' }).click();
		await page.getByRole('img', { name: 'QR code for the client' }).waitFor();
		assert.equal((await calls(page)).some(c => c[0] == 'app'), false);
		await page.getByRole('button', { name: 'Show the code for the installed app' }).click();
		await page.getByRole('img', { name: 'QR code for the installed app' }).waitFor();

		const seen = await calls(page);

		assert.deepEqual(seen.slice(-2).map(c => [ c[0], c[1] ]), [ [ 'app', 'anna' ], [ 'qr', 'latchkey:v=1&k=SECRET' ] ]);
		assert.equal(await page.getByLabel('Address of the app').inputValue(), 'https://knock.example.net/');
		assert.ok(!(await page.content()).includes('SECRET'), 'the key stands on the page as text');
		await screenshot(page, 'code-app-desktop-en-light');
		assert.deepEqual(await accessibility(page), []);
	}));

	test('a code that the router refuses says why, and can be tried again', () => scene('code', {}, async page => {
		await page.evaluate(() => {
			let tries = 0;
			const ctx = scenes.context();
			const offer = ctx.offer;

			scenes.put(need('latchkey.device').newCode(Object.assign(ctx, {
				offer: c => tries++ ? offer(c) : Promise.reject(new Error('the router is busy'))
			}), { '.name': 'anna', title: 'Anna', door: [] }));
		});
		await page.getByRole('button', { name: 'Show the code' }).click();
		await page.getByText('the router is busy').waitFor();
		await page.getByRole('button', { name: 'Show the code' }).click();
		await page.locator('.lk-qr').waitFor();
	}));

	test('first use works with the keyboard alone', () => scene('wizard', {}, async page => {
		await page.getByLabel('Where does the door lead?').focus(); // as the dialog does
		for (const label of [ 'Next', 'Save and show the code' ]) {
			for (let i = 0; i < 12 && await page.evaluate(() => document.activeElement.textContent) != label; i++)
				await page.keyboard.press('Tab');
			await page.keyboard.press('Enter');
		}
		await page.locator('.lk-qr').waitFor();
		assert.equal(await page.evaluate(() => document.activeElement.className), 'lk-qr');
	}));

	test('a port that collides is told while it is typed, and a wrong one stops', () => scene('wizard', {}, async page => {
		await page.getByLabel('Port outside').fill('2022');
		assert.equal(await page.getByText('Door “NAS – SSH” uses this port already.').count(), 1);
		await page.getByLabel('Port outside').fill('70000');
		await page.getByRole('button', { name: 'Next' }).click();
		assert.equal(await page.getByRole('alert').textContent(), 'Write a port number from 1 to 65535.');
		assert.equal(await page.getByLabel('Port outside').count(), 1, 'still the first step');
	}));

	test('a service of one’s own on another address', () => scene('wizard', {}, async page => {
		await page.getByLabel('Where does the door lead?').selectOption({ label: 'Another address…' });
		await page.getByLabel('To which service?').selectOption({ label: 'Another service…' });
		await page.getByRole('button', { name: 'Next' }).click();
		assert.equal(await page.getByRole('alert').textContent(), 'Write the IPv4 address of the host in your network.');
		await page.getByLabel('Its address').fill('10.1.2.3');
		await page.getByLabel('Protocol').selectOption('tcp udp');
		await page.getByLabel('Port of the service').fill('8080');
		assert.equal(await page.getByLabel('Port outside').inputValue(), '8080');
		await page.getByRole('button', { name: 'Next' }).click();
		await page.getByLabel('Public name of the router').fill('home.example.net');
		await page.getByRole('button', { name: 'Save and show the code' }).click();
		await page.locator('.lk-qr').waitFor();

		const [ [ , saved ] ] = await calls(page);

		assert.deepEqual([ saved.door.dest_ip, saved.door.proto, saved.host ], [ '10.1.2.3', [ 'tcp', 'udp' ], 'home.example.net' ]);
	}));

	test('a door on the router itself has one port and no host', () => scene('wizard', {}, async page => {
		await page.getByLabel('Where does the door lead?').selectOption({ label: 'This router' });
		await page.getByLabel('To which service?').selectOption('https');
		assert.equal(await page.getByLabel('Port outside').isVisible(), false);
		await page.getByRole('button', { name: 'Next' }).click();
		await page.getByRole('button', { name: 'Save and show the code' }).click();
		await page.locator('.lk-qr').waitFor();

		const saved = (await calls(page))[0][1];

		assert.deepEqual([ saved.door.port, saved.door.dest, saved.door.dest_port ], [ '443', undefined, undefined ]);
	}));

	test('the ports of knocks that first use draws keep away from the new door', () => scene('wizard', {}, async page => {
		await page.evaluate(() => scenes.wizard({ main: {} }));
		await page.getByLabel('Where does the door lead?').selectOption({ label: 'This router' });
		await page.getByLabel('To which service?').selectOption({ label: 'Another service…' });

		const drawn = async (proto, port) => {
			await page.getByLabel('Protocol').selectOption(proto);
			await page.getByLabel('Port of the service').fill(port);
			await page.getByRole('button', { name: 'Next' }).click();
			await page.getByRole('button', { name: 'Save and show the code' }).click();
			await page.locator('.lk-qr').waitFor();

			return (await calls(page)).filter(c => c[0] == 'save').pop()[1].main;
		};
		assert.equal((await drawn('udp', '443')).stun_port.length, 1);
		await page.evaluate(() => scenes.wizard({ main: {} }));
		await page.getByLabel('Where does the door lead?').selectOption({ label: 'This router' });
		await page.getByLabel('To which service?').selectOption({ label: 'Another service…' });
		assert.equal((await drawn('tcp', '443')).stun_port[1], '443');
	}));

	test('ports of knocks stay while somebody goes back to a door that stays', () => scene('wizard', {}, async page => {
		await page.evaluate(() => scenes.wizard({ main: {}, where: scenes.where({ addresses: [], situation: { id: 'behind', address: '192.168.0.2', six: false } }) }));
		const rows = async () => {
			await page.getByRole('button', { name: 'Next' }).click();
			const text = await page.locator('#root table').first().innerText();
			await page.getByRole('button', { name: 'Back' }).click();
			return text;
		};
		const first = await rows();

		assert.match(first, /, 443\b/);
		assert.equal(await rows(), first);
	}));

	test('a save that fails says why and can be tried again', () => scene('wizard', {}, async page => {
		await page.evaluate(() => {
			let tries = 0;

			scenes.wizard({ save: () => tries++ ? Promise.resolve() : Promise.reject(new Error('the router is gone')) });
		});
		await page.getByRole('button', { name: 'Next' }).click();
		await page.getByRole('button', { name: 'Save and show the code' }).click();
		await page.getByText('the router is gone').waitFor();
		assert.equal(await page.locator('.lk-qr').count(), 0, 'no code before it is saved');
		await page.getByRole('button', { name: 'Save and show the code' }).click();
		await page.locator('.lk-qr').waitFor();
	}));

	test('without a way in from outside the code is not made', () => scene('wizard', {}, async page => {
		await page.evaluate(() => scenes.wizard({ where: scenes.where({ addresses: [] }) }));
		await page.getByRole('button', { name: 'Next' }).click();
		await page.getByRole('button', { name: 'Save and show the code' }).click();
		assert.equal(await page.getByRole('alert').textContent(), 'Without a name or an address no client can find the router.');
	}));

	test('one more door is given to the clients that are ticked', () => scene('door', {}, async page => {
		await page.getByRole('button', { name: 'Next' }).click();
		await page.getByRole('button', { name: 'Save & Apply' }).click();

		const [ [ , saved ], last ] = await calls(page);

		assert.deepEqual([ saved.door['.name'], saved.openers, last ], [ 'nas_ssh_2', [ 'anna' ], [ 'close' ] ]);
	}));

	test('a fwknop client gets the keys that its app reads', () => scene('device', {}, async page => {
		await page.getByLabel('Name of the client').fill('Tablet');
		await page.getByLabel('Kind').selectOption('fwknop');
		await page.getByRole('button', { name: 'Save and show the code' }).click();
		assert.equal(await page.getByRole('alert').textContent(), 'Choose at least one door.');
		await page.getByLabel('NAS – SSH').check();
		await page.getByLabel('Until').fill('2027-01-31');
		await page.getByRole('button', { name: 'Save and show the code' }).click();
		await page.locator('.lk-qr').waitFor();

		const [ [ , saved ], [ , qr ] ] = await calls(page);

		assert.deepEqual([ saved.client.kind, saved.client.expires, saved.main.spa_port ], [ 'fwknop', '2027-01-31', '62201' ]);
		assert.equal(qr, 'KEY_BASE64:' + saved.client.key + ' HMAC_KEY_BASE64:' + saved.client.hmac_key);

		const rc = decodeURIComponent(await page.getByRole('link', { name: 'Save fwknop configuration' }).getAttribute('href'));

		assert.match(rc, /SPA_SERVER 203\.0\.113\.1\nSPA_SERVER_PORT 62201\n[\s\S]*ACCESS tcp\/2022\n/);
	}));

	test('a new key replaces the old one and shows nothing before that', () => scene('key', {}, async page => {
		assert.equal(await page.locator('.lk-qr').count(), 0);
		await page.getByRole('button', { name: 'Replace the key and show the code' }).click();
		await page.locator('.lk-qr').waitFor();

		const [ [ first, saved ], [ second, client ] ] = await calls(page);

		assert.deepEqual([ first, saved.keys.client, second, client ], [ 'save', 'anna', 'offer', 'anna' ]);
		assert.match(saved.keys.key, /^[A-Za-z0-9_-]{43}$/);
		assert.ok(!(await page.content()).includes(saved.keys.key), 'the key stands on the page');
	}));

	test('the copy button puts the line into the clipboard, on plain http too', () => scene('sequence', {}, async page => {
		assert.equal(await page.evaluate(() => window.isSecureContext), false);
		await page.getByRole('button', { name: 'Copy' }).first().click();
		await page.getByRole('button', { name: 'Copied' }).waitFor();
		await page.evaluate(() => root.appendChild(E('textarea', { 'id': 'paste', 'aria-label': 'paste' })).focus());
		await page.keyboard.press('Control+V');
		assert.equal(await page.locator('#paste').inputValue(), 'knock -d 200 h 1:tcp');
		assert.ok(await page.getByText('can be replayed').isVisible());
	}));

	test('the stealth check proposes one change at a time', () => scene('stealth', {}, async page => {
		await page.getByRole('button', { name: 'Make silent… Ping' }).click();
		assert.deepEqual(await calls(page), [ [ 'propose', 'ping-r' ] ]);
		assert.deepEqual(await page.locator('.lk-diff').innerText().then(t => t.split('\n')), [ 'firewall: zone wan', 'input = REJECT', 'input = DROP' ]);
	}));

	test('what the stealth check may not change, its owner is told where to', () => scene('stealth', {}, async page => {
		const told = page.locator('.lk-finding', { hasText: 'Change it under Network › Firewall.' });

		assert.deepEqual(await told.locator('strong').allInnerTexts(), [ 'Open: TCP port 8443' ]);
		assert.equal(await told.getByRole('button').count(), 0);
		await page.evaluate(() => scenes.stealth(null));
		await page.getByText('Open: TCP port 8443').waitFor();
		assert.equal(await told.count(), 0, 'whose account may only look');
	}));

	test('an import shows what it understood before it takes anything', () => scene('importer', {}, async page => {
		await page.evaluate(() => scenes.importer(content => {
			calls.push([ 'translate', content ]);

			return Promise.resolve({ config: '# command has no counterpart\nconfig door \'openSSH\'\n\toption port \'22\'\nconfig sequence openSSH2\n\tlist step \'7000/tcp\'\n\tlist step "9000/tcp"\n\tlist door \'openSSH\'\n' });
		}));
		await page.getByLabel('or its text').fill('[openSSH]');
		await page.getByRole('button', { name: 'Translate' }).click();
		await page.getByText('2 sections to take over:').waitFor();
		assert.equal(await page.getByText('command has no counterpart').count(), 1);
		await page.getByRole('button', { name: 'Take over' }).click();
		assert.deepEqual(await calls(page), [ [ 'translate', '[openSSH]' ], [ 'take', [
			{ type: 'door', name: 'openSSH_2', options: { port: '22' } },
			{ type: 'sequence', name: 'openSSH2', options: { step: [ '7000/tcp', '9000/tcp' ], door: [ 'openSSH_2' ] } } ], {} ] ]);
	}));

	test('an import takes clients over with the port that they need, and shows no keys', () => scene('importer', {}, async page => {
		await page.evaluate(() => scenes.importer(() => Promise.resolve({ config: 'config latchkey \'main\'\n\toption spa_port \'62201\'\nconfig door \'openSSH\'\n\toption port \'22\'\nconfig client \'fwknop\'\n\toption kind \'fwknop\'\n\toption key \'c2VjcmV0\'\n\tlist door \'openSSH\'\nconfig client \'fwknop\'\n\tlist door \'web\'\n' })));
		await page.getByLabel('or its text').fill('x');
		await page.getByRole('button', { name: 'Translate' }).click();
		await page.getByText('Client “fwknop”').waitFor();
		assert.equal(await page.getByText('c2VjcmV0').count(), 0);
		await page.getByRole('button', { name: 'Take over' }).click();
		assert.deepEqual(await calls(page), [ [ 'take', [
			{ type: 'door', name: 'openSSH_2', options: { port: '22' } },
			{ type: 'client', name: 'fwknop', options: { kind: 'fwknop', key: 'c2VjcmV0', door: [ 'openSSH_2', 'web' ] } } ], { spa_port: '62201' } ] ]);
	}));

	test('an import that fails says why', () => scene('importer', {}, async page => {
		await page.evaluate(() => scenes.importer(() => Promise.reject(new Error('line 3: no sequence'))));
		await page.getByLabel('or its text').fill('x');
		await page.getByRole('button', { name: 'Translate' }).click();
		await page.getByText('line 3: no sequence').waitFor();
	}));
});
