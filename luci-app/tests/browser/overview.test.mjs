// SPDX-License-Identifier: Apache-2.0

// The overview and the events in every situation of a router, in Chromium.

import test, { before, after, describe } from 'node:test';
import assert from 'node:assert/strict';
import { executable, launch, accessibility, overflow, screenshot } from '../lib/browser.mjs';
import { openView, REAL } from '../lib/luci.mjs';
import { ROUTERS, routerOf } from './routers.js';

describe('in Chromium', { skip: executable() ? false : 'SKIP: no Chromium on this machine (set CHROMIUM to its path)' }, () => {
	let browser;

	before(async () => { browser = await launch(); });
	after(() => browser.close());

	// Opens a view on a router; body gets its page and the answers, which it may change.
	async function on(name, options, body) {
		const answer = routerOf(name);
		const v = await openView(browser, 'view.latchkey.' + (options.view || 'overview'), { answer, ...options });

		try {
			await body(v.page, answer.made);
			assert.deepEqual(v.wrong, []);
		}
		finally {
			await v.close();
		}
	}

	for (const name of Object.keys(ROUTERS))
		for (const [ size, language, dark ] of [ [ 'desktop', undefined, false ], [ 'small', 'de', true ], [ 'small', 'zh_Hans', false ] ])
			test(`${name} is accessible and fits: ${size} ${language || 'en'} ${dark ? 'dark' : 'light'}`, { skip: REAL ? 'the look is that of a theme' : false }, () =>
				on(name, { size, language, dark }, async page => {
					await screenshot(page, [ 'now', name, size, language || 'en', dark ? 'dark' : 'light' ].join('-'));
					assert.deepEqual(await accessibility(page, '.lk'), []);
					assert.ok(await overflow(page) <= 0, 'wider than the screen by ' + await overflow(page) + ' px');
				}));

	const poll = page => page.evaluate(() => Promise.all(globalThis.polls.map(p => p())));
	const facts = page => page.locator('.lk-fact strong').allTextContents();
	const later = (page, seconds) => page.evaluate(s => { const now = Date.now; Date.now = () => now() + s * 1000; }, seconds);

	test('a daemon that hangs, is gone, or is not there is told apart, and no door is said to be closed or missing', async () => {
		for (const [ name, words, badge, button ] of [ [ 'hung', 'Latchkey runs, but does not answer.', 'not known', 'Start again' ],
			[ 'absent', 'The router does not know Latchkey’s service.', 'not known', null ], [ 'denied', 'The router does not let this login see Latchkey.', 'not known', null ],
			[ 'off', 'Latchkey is switched off: all doors stay closed.', 'closed', 'Switch on' ], [ 'ended', 'Latchkey is not running: all doors stay closed.', 'closed', 'Start again' ],
			[ 'starting', 'Latchkey is starting.', 'closed', null ] ])
			await on(name, {}, async page => {
				assert.deepEqual(await facts(page), [ words ]);
				assert.deepEqual([ ...new Set(await page.locator('.lk-door .lk-badge').allTextContents()) ], [ badge ], name);
				assert.deepEqual(await page.locator('.lk-fact button').allTextContents(), button ? [ button ] : []);
				assert.equal(await page.getByText('There is no door yet.').count(), 0);
				assert.equal(await page.locator('.lk-past').isVisible(), false);
			});
	});

	test('a viewer of a daemon that hangs is not told that nothing is set up', () => on('hung', { writer: false }, async page => {
		assert.deepEqual(await facts(page), [ 'Latchkey runs, but does not answer.' ]);
		assert.equal(await page.getByText('A door that only you can see').count() + await page.getByText('There is no door yet.').count(), 0);
	}));

	test('a start is no failure for twenty seconds, then it is, and it ends when the daemon answers', () => on('starting', {}, async (page, made) => {
		await poll(page);
		assert.equal(await page.locator('.lk-fact.lk-bad').count(), 0);
		await later(page, 21);
		await poll(page);
		assert.deepEqual(await facts(page), [ 'Latchkey is not running: all doors stay closed.' ]);
		Object.assign(made, routerOf('quiet').made);
		await poll(page);
		assert.match((await facts(page))[0], /^Running/);
		assert.equal(await page.locator('.lk-past').isVisible(), true);
	}));

	test('a daemon that stops answering is noticed, and noticed again', () => on('quiet', {}, async (page, made) => {
		const before = { ...made };

		made.status = { error: 'latchkeyd did not answer' };
		await poll(page);
		assert.deepEqual(await facts(page), [ 'Latchkey runs, but does not answer.' ]);
		assert.equal(await page.locator('.lk-past').isVisible(), false);
		Object.assign(made, before);
		await poll(page);
		assert.match((await facts(page))[0], /^Running/);
	}));

	// What a page takes: nodes, calls of rpc, and the milliseconds of this machine, which are told and not judged.
	const nodes = page => page.evaluate(() => document.querySelectorAll('#view *').length);
	const timed = (page, body) => page.evaluate(async f => { const at = performance.now(); await eval(f)(); return Math.round(performance.now() - at); }, String(body));
	const calls = page => {
		const list = [];

		page.on('request', r => { const q = r.postData() && JSON.parse(r.postData()); q && list.push(q.params[1] + ' ' + q.params[2]); });

		return list;
	};

	test('of 200 doors with 10 000 grants the open ones come first, the rest is folded, one is found by its name, and a poll draws what changed', t => on('large', {}, async (page, made) => {
		const title = page.locator('.lk-door h4'), find = page.getByLabel('Find a door');
		const fresh = () => page.locator('.lk-door').evaluateAll(all => all.filter(n => !n.seen).length);
		const asked = calls(page);

		await page.locator('.lk-tl-name').first().waitFor(); // it is drawn when its place is known

		const drawn = await nodes(page);

		assert.ok((await facts(page)).includes('10000 of 10240 grants are in use.'));
		assert.equal(await page.locator('.lk-door').count(), 12);
		assert.equal(await title.first().textContent(), 'Door 100');
		assert.ok(drawn < 3000, drawn + ' elements');
		await screenshot(page, 'now-large-desktop-en-light');

		assert.equal(await page.locator('.lk-tl-name').count(), 24);
		assert.ok(await page.getByText('76 more doors are in the table only.').isVisible());
		assert.equal(await page.locator('.lk-tl-legend li').count(), 25);

		const first = page.locator('.lk-door').first();

		assert.equal(await first.locator('.lk-grant').count(), 3);
		assert.ok(await first.getByText('80 more addresses are not listed here.').isVisible());
		await first.getByRole('button', { name: 'Show 20 addresses' }).click();
		assert.equal(await first.locator('.lk-grant').count(), 20);

		await page.locator('.lk-door').evaluateAll(all => all.forEach(n => { n.seen = true; }));
		const quiet = await timed(page, () => Promise.all(globalThis.polls.map(p => p())));
		assert.deepEqual(asked, [ 'latchkey status', 'latchkey events' ]);
		assert.equal(await fresh(), 0);
		made.status.doors[103].grants.pop();
		const one = await timed(page, () => Promise.all(globalThis.polls.map(p => p())));
		assert.equal(await fresh(), 1);
		made.status.doors[100].grants.pop();
		await poll(page);
		assert.equal(await first.locator('.lk-grant').count(), 19, 'it is still unfolded');

		await find.fill('door 15');
		assert.deepEqual(await title.allTextContents(), [ ...Array.from({ length: 10 }, (_, i) => 'Door ' + (150 + i)), 'Door 15' ]);
		made.status.doors[155].grants.pop();
		await poll(page);
		assert.equal(await title.count(), 11);
		assert.equal(await find.evaluate(n => n == document.activeElement), true, 'who types goes on typing');
		await find.fill('203.0.113.7');
		assert.deepEqual(await title.allTextContents(), [ 'Door 100' ], 'an address finds the door that is open for it');
		await find.fill('cellar');
		assert.ok(await page.getByText('Nothing is called “cellar”.').isVisible());
		await find.fill('');
		const all = await timed(page, () => [ ...document.querySelectorAll('button') ].find(b => b.textContent == 'Show all 200 doors').click());
		assert.equal(await title.count(), 200);
		assert.equal(await title.nth(12).textContent(), await page.evaluate(() => document.activeElement.querySelector('h4').textContent));
		assert.deepEqual(await accessibility(page, '.lk'), []);
		t.diagnostic(`${drawn} elements at first; a poll without a change takes ${quiet} ms, with one ${one} ms, all doors ${all} ms`);
	}));

	test('a door that is open for many is closed for all of them, listed or not', () => on('large', {}, async page => {
		const asked = [];

		page.on('request', r => { const q = r.postData() && JSON.parse(r.postData()); q && q.params[2] == 'close' && asked.push(q.params[3]); });
		await page.getByRole('button', { name: 'Close for all… Door 100', exact: true }).click();
		assert.ok(await page.getByRole('heading', { name: 'Close Door 100 for all 100 addresses' }).isVisible());
		await page.getByRole('button', { name: 'Close', exact: true }).click();
		await page.getByRole('heading', { name: 'Close Door 100 for all 100 addresses' }).waitFor({ state: 'detached' });
		assert.deepEqual(asked, [ { door: 'door100', address: '', cut: false } ]);
	}));

	test('the same on a phone fits', { skip: REAL ? 'the look is that of a theme' : false }, () => on('large', { size: 'small', language: 'de', dark: true }, async page => {
		await screenshot(page, 'now-large-small-de-dark');
		assert.ok(await overflow(page) <= 0, 'wider than the screen by ' + await overflow(page) + ' px');
	}));

	test('lists of 200 doors and of 200 clients name the first few, and ask the router once', async t => {
		for (const [ view, cell ] of [ [ 'doors', 'Client 7 and 192 others' ], [ 'clients', 'Door 7 and 192 others' ] ])
			await on('large', { view }, async page => {
				const asked = calls(page), drawn = await nodes(page);

				assert.ok(await page.getByText(cell).count() >= 199, await page.locator('#view table').innerText());
				assert.ok(drawn < 12000, drawn + ' elements');
				const quiet = await timed(page, () => Promise.all(globalThis.polls.map(p => p())));
				assert.deepEqual(asked, view == 'doors' ? [ 'latchkey status' ] : []);
				await screenshot(page, 'now-large-' + view);
				t.diagnostic(`${view}: ${drawn} elements, a poll takes ${quiet} ms`);
			});
	});

	test('an account that may only look has 12 cards of each, too', async () => {
		for (const [ view, label, rest ] of [ [ 'doors', 'Find a door', 'Show all 200 doors' ], [ 'clients', 'Find a client', 'Show all 200 clients' ] ])
			await on('large', { view, writer: false }, async page => {
				assert.equal(await page.locator('.lk-door').count(), 12);
				await page.getByLabel(label).fill('17');
				assert.deepEqual((await page.locator('.lk-door h4').allTextContents()).filter(t => !/17/.test(t)), []);
				await page.getByLabel(label).fill('');
				await page.getByRole('button', { name: rest }).click();
				assert.equal(await page.locator('.lk-door').count(), 200);
			});
	});

	test('the picture says who was in when, of a day or of a week', () => on('quiet', {}, async page => {
		const says = () => page.locator('.lk-tl-visit').evaluateAll(all => all.map(n => n.getAttribute('data-say')));

		assert.equal(await page.locator('.lk-tl-said').textContent(), '5 visits, of Off-site backup, Anna’s phone and Ben’s laptop. 4 knocks were refused.');
		assert.match((await says()).at(-1), /Anna’s phone .*at Garden camera, from 2001:db8:7::15\.$/);
		assert.ok((await says()).some(s => /Anna’s phone is in, for 52 minutes now, at NAS – SSH, from 203\.0\.113\.7/.test(s)));
		assert.equal((await says()).length, 5);
		await page.getByRole('button', { name: '7 days' }).click();
		assert.equal(await page.getByRole('button', { name: '7 days' }).getAttribute('aria-pressed'), 'true');
		assert.equal((await says()).length, 32);
		assert.match(await page.locator('.lk-tl').getAttribute('aria-label'), /^32 visits, /);
		await page.locator('.lk-tl-visit').first().hover();
		assert.match(await page.locator('.lk-tl-detail').textContent(), /Off-site backup was in for 1 hour, at NAS – SSH, from 192\.0\.2\.14\./);
	}));

	test('the table tells the same as the picture, newest first', () => on('quiet', {}, async page => {
		await page.getByText('As a table').click();
		await page.locator('.lk-tl-table tbody tr').first().waitFor();

		const rows = await page.locator('.lk-tl-table tbody tr').evaluateAll(all => all.map(r => [ ...r.cells ].map(c => c.textContent)));

		assert.equal(rows.length, 5 + 3);
		assert.deepEqual(rows[0].slice(1), [ 'Anna’s phone', 'is in, for 52 minutes now', 'NAS – SSH', '203.0.113.7' ]);
		assert.match(rows[2][2], /^was refused: The client’s clock is 9 minutes ahead/);
		await page.getByRole('button', { name: '7 days' }).click();
		assert.equal(await page.locator('.lk-tl-table tbody tr').count(), 32 + 5);
	}));

	test('what is not known is hatched and said', () => on('troubled', {}, async page => {
		const notes = () => page.locator('.lk-tl-notes').textContent();

		assert.doesNotMatch(await notes(), /Nothing is known/);
		assert.match(await notes(), /Refused knocks are known since/);
		await page.getByRole('button', { name: '7 days' }).click();
		assert.match(await notes(), /Nothing is known from before/);
		assert.equal(await page.locator('.lk-tl rect[fill^="url("]').count(), 1);
	}));

	test('two clients at one address, who waits for the firewall, an end that nobody saw', () => on('troubled', {}, async page => {
		const says = (await page.locator('.lk-tl-visit').evaluateAll(all => all.map(n => n.getAttribute('data-say')))).join('\n');

		for (const words of [ /Anna’s phone is in, for 40 minutes now, at NAS/, /Ben’s laptop is in, for 25 minutes now, at NAS/, /Ben’s laptop was let in, but waits for the firewall, at Router/,
			/Work laptop was in for 30 minutes at the most: Latchkey was not there to see the end/, /The owner was in for 2 hours/, /Sequence “home” was in for 1 hour/, /at old_printer/ ])
			assert.match(says, words);
		assert.equal(await page.locator('.lk-tl-pending').count(), 1);
	}));

	test('20 doors and 2000 events are drawn, and the table ends', () => on('busy', { size: 'small' }, async page => {
		await page.getByRole('button', { name: '7 days' }).click();
		assert.ok(await page.locator('.lk-tl-visit').count() > 200);
		await page.getByText('As a table').click();
		await page.locator('.lk-tl-table tbody tr').first().waitFor();
		assert.equal(await page.locator('.lk-tl-table tbody tr').count(), 300);
		assert.match(await page.locator('.lk-tl-more').textContent(), /The newest 300 of \d{4}\./);
		assert.ok(await overflow(page) <= 0);
	}));

	test('without a date times are counted back', () => on('unset', {}, async page => {
		assert.match(await page.locator('.lk-tl-notes').textContent(), /clock is not set yet/);
		assert.ok((await page.locator('.lk-tl-mark').allTextContents()).every(t => /^−\d+ (hours|day)$/.test(t)));
		assert.doesNotMatch(await page.locator('#view').textContent(), /19(69|70)/);
	}));

	test('only what is new is asked for, and all of it when the clock was set', () => on('quiet', {}, async (page, made) => {
		const asked = [];

		page.on('request', r => {
			const q = r.postData() && JSON.parse(r.postData());

			if (q?.params?.[2] == 'events')
				asked.push(q.params[3].since);
		});
		await poll(page);

		const last = made.events.at(-1).number;

		made.events.push({ number: last + 1, time: made.status.now, kind: 'refused', door: 'nas_ssh', client: 'ben', address: '198.51.100.80', reason: 'stale', skew: 300 });
		await poll(page);
		await page.getByText('Ben’s laptop was refused at NAS').first().waitFor();
		made.events = made.events.map(e => ({ ...e, time: new Date(Date.parse(e.time) + 3600000).toISOString() }));
		await poll(page);
		assert.deepEqual(asked, [ last - 16, last - 16, last - 15, 0 ]);
	}));

	test('events stand under their days, and what a start brings is one line', () => on('quiet', { view: 'events' }, async page => {
		assert.deepEqual((await page.locator('.lk-day').allTextContents()).slice(0, 3), [ 'Today', 'Yesterday', 'Monday, November 23' ]);

		const fold = page.locator('.lk-fold').first();

		assert.match(await fold.locator('summary').textContent(), /system loaded, waiting, ready$/);
		assert.equal(await fold.getByText('The configuration was loaded').isVisible(), false);
		await fold.locator('summary').click();
		assert.equal(await fold.getByText('The configuration was loaded').isVisible(), true);
		await page.getByLabel('Show').selectOption('system');
		assert.equal(await page.locator('.lk-fold').count(), 0, 'who asks for the system’s gets them all');
		assert.equal(await page.locator('.lk-event').count(), 6);
	}));

	test('addresses seen lately are offered to open for, and no networks', () => on('quiet', {}, async (page, made) => {
		const number = made.events.at(-1).number;

		for (const [ i, address ] of [ '203.0.113.0/24', '2001:db8:1::/64', '198.51.100.90' ].entries())
			made.events.push({ number: number + 1 + i, time: made.status.now, kind: 'opened', door: 'nas_ssh', client: 'ben', address });
		await poll(page);
		await page.getByRole('button', { name: /^Open for an address…/ }).first().click();

		const offered = await page.locator('#lk-open-known option').evaluateAll(all => all.map(o => o.value));

		assert.equal(offered[0], '198.51.100.90');
		assert.deepEqual(offered.filter(a => a.includes('/')), []);
	}));

	test('what was unfolded stays so when news come', () => on('quiet', { view: 'events' }, async (page, made) => {
		await page.locator('.lk-fold summary').first().click();
		await page.waitForFunction(() => document.querySelector('.lk-fold details').open);
		made.events.push({ number: made.events.at(-1).number + 1, time: made.status.now, kind: 'trouble', detail: 'news' });
		await poll(page);
		await page.getByText('news').waitFor();
		assert.equal(await page.locator('.lk-fold details').first().evaluate(d => d.open), true);
	}));

	test('a long list begins short', () => on('busy', { view: 'events' }, async page => {
		const rows = () => page.locator('.lk-event:visible, .lk-fold').count();

		assert.equal(await rows(), 100);
		await page.getByRole('button', { name: /^Show older ones/ }).click();
		assert.equal(await rows(), 200);
	}));

	test('an import from a file is taken over without touching what runs', () => on('quiet', { view: 'sequences' }, async (page, made) => {
		const choose = (name, bytes) => page.getByLabel('A file').setInputFiles({ name, mimeType: 'text/plain', buffer: Buffer.from(bytes) });

		await page.getByRole('button', { name: 'Import from knockd or fwknop…' }).click();
		await choose('picture.conf', [ 0x89, 0x50, 0x4e, 0x47, 0, 1 ]);
		await page.getByRole('alert').getByText('This is no text file.').waitFor();
		await choose('long.conf', Buffer.alloc(70000, 'x'));
		await page.getByRole('alert').getByText('This has 69 kB, but at most 64 are read.').waitFor();
		await choose('quotes.conf', Buffer.alloc(40000, '"'));
		await page.getByRole('alert').getByText('at most 64 are read').waitFor();
		await choose('.fwknoprc', '[openSSH]\nsequence = 7000,8000,9000\n');
		await page.getByText('Read as knockd.conf.').waitFor();
		assert.equal(await page.getByRole('alert').textContent(), '');
		assert.match(await page.locator('.lk-dialog').textContent(), /1 usable as it is and 1 not translated/);
		await screenshot(page, 'import');
		assert.deepEqual(await accessibility(page, '.lk-dialog'), []);

		const taken = page.waitForEvent('load');

		await page.getByRole('button', { name: 'Take over' }).click();
		await taken;
	}));

	test('an import that the daemon would refuse is not kept', () => on('quiet', { view: 'sequences' }, async (page, made) => {
		await page.getByRole('button', { name: 'Import from knockd or fwknop…' }).click();
		await page.getByLabel('or its text').fill('[openSSH]');
		await page.getByRole('button', { name: 'Translate' }).click();
		await page.getByText('2 sections to take over:').waitFor();
		made.problems = [ [], [ { text: 'too many doors', line: 3 } ], [] ];
		await page.getByRole('button', { name: 'Take over' }).click();
		await page.getByRole('alert').getByText('too many doors').waitFor();
		assert.deepEqual(await page.evaluate(() => Luci.modules.uci.sections('latchkey').filter(s => /tcp22|openSSH/.test(s['.name']))), []);
		assert.equal(await page.getByRole('button', { name: 'Take over' }).isEnabled(), true);
	}));
});
