// SPDX-License-Identifier: Apache-2.0

// Whatever stands in a title, a host's name, an event or an error is shown as that text, in every
// view and dialog. The same test runs on LuCI's own files:
//
//	LUCI_RESOURCES=.../modules/luci-base/htdocs/luci-static/resources node --test browser/text.test.mjs
//
// (with uqr.js of luci-lib-uqr in that folder).

import test, { before, after, describe } from 'node:test';
import assert from 'node:assert/strict';
import { executable, launch, accessibility, overflow, screenshot } from '../lib/browser.mjs';
import { openView, REAL } from '../lib/luci.mjs';
import { router, bad, shown, KINDS } from './hostile.js';

const MODAL = '#modal_overlay .modal';

// What on the page came from a text, or could turn the text around it.
function look() {
	const injected = [ ...document.querySelectorAll('.evil, [onerror], #view script, .modal script') ].map(n => n.outerHTML);
	const turning = [], texts = [];
	const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);

	for (let n = walker.nextNode(); n; n = walker.nextNode())
		if (n.parentNode.localName != 'script')
			texts.push(n.data);
	document.querySelectorAll('*').forEach(n => [ 'title', 'aria-label', 'placeholder', 'data-tooltip' ].forEach(a => n.hasAttribute(a) && texts.push(n.getAttribute(a))));
	texts.forEach(t => {
		let rest = t;

		for (let before = ''; before != rest;)
			rest = (before = rest).replace(/\u2068[^\u2068\u2069]*\u2069/g, ''); // isolates that are closed turn nothing

		if (/[\u202a-\u202e\u2066-\u2069\u200b\x1b]/.test(rest))
			turning.push(JSON.stringify(t));
	});

	return { injected, turning, ran: globalThis.evil, texts: texts.join('\n') };
}

describe('on ' + (REAL ? 'LuCI’s own files' : 'the stand-in for LuCI') + ' in Chromium', { skip: executable() ? false : 'SKIP: no Chromium on this machine (set CHROMIUM to its path)' }, () => {
	let browser;

	before(async () => { browser = await launch(); });
	after(() => browser.close());

	// Opens a view; s.see('field', ...) looks at the page, on which these fields must be read as they are.
	async function on(view, options, body) {
		const v = await openView(browser, view, { answer: router(options.mode), writer: !options.reader, size: options.size, dark: options.dark });
		const page = v.page;
		const s = {
			page, modal: page.locator(MODAL),
			press: name => page.getByRole('button', { name, exact: true }).first().click(),
			async see(...fields) {
				for (const f of fields)
					await page.waitForFunction(t => document.body.textContent.includes(t) || [ ...document.querySelectorAll('[title], [aria-label], [data-tooltip]') ]
						.some(n => [ 'title', 'aria-label', 'data-tooltip' ].some(a => n.getAttribute(a)?.includes(t))), f.includes('<') ? f : shown(f))
						.catch(() => assert.fail('nowhere on the page: ' + f));

				const seen = await page.evaluate(look);

				assert.deepEqual({ injected: seen.injected, turning: seen.turning, ran: seen.ran }, { injected: [], turning: [], ran: undefined });
			}
		};

		try {
			await s.see();
			await body(s);
			assert.deepEqual(v.wrong, []);
		}
		finally {
			await v.close();
		}
	}

	const joined = field => shown(field).replace(/\s/g, '/'); // lists of doors end at spaces

	// Values of the configuration that LuCI's widgets show; LuCI isolates nothing, the daemon refuses more.
	const html = field => bad(field).replace(/\u202e\u05d0\u200b\x1b/, '');

	test('overview', () => on('view.latchkey.overview', {}, async s => {
		await s.see('status.problem', 'device.up', 'door.title', 'door.name', 'grant.address', 'grant.knock', 'grant.client', 'refused.door', 'refused.client',
			'refused.address', 'refused.knock', 'refused.detail', 'expired.detail', 'reason.alone', 'lease', 'door.reason', shown('door.zone').replace(/'/g, '’'));
		await s.press('Open for an address… \u2068' + shown('door.title') + '\u2069');
		await s.see('opened.address');
		await s.modal.getByRole('button', { name: 'Open', exact: true }).click();
		await s.see('open.error', 'open.hint');
		await s.modal.getByRole('button', { name: 'Cancel' }).click();
		await s.page.locator('[data-key^="close/nas/"]').first().click();
		await s.see('door.title', 'grant.address', 'status.cut');
		await s.modal.getByRole('button', { name: 'Close', exact: true }).click();
		await s.see('close.error', 'close.hint');
	}));

	test('overview: whole words of a refused configuration for the owner', () => on('view.latchkey.overview', { mode: { refuse: true } }, async s => {
		await s.see('check.error');
	}));

	test('overview while Latchkey is off', () => on('view.latchkey.overview', { mode: { off: true } }, async s => {
		await s.see('status.reason', 'uci.door.title', 'uci.other.title');
	}));

	test('the dialogs of first use', () => on('view.latchkey.overview', { mode: { refuse: true } }, async s => {
		await s.press('Set up another door…');
		await s.see('lease');
		await s.page.getByLabel('Where does the door lead?').selectOption('192.168.1.100');
		await s.page.getByLabel('Port outside').fill('2022');
		await s.see('uci.door.title');
		await s.press('Next');
		await s.page.getByLabel('Name of the client').fill('a\u202eb');
		await s.press('Save and show the code');
		await s.page.getByText('Leave out characters that cannot be seen').waitFor();
		await s.page.getByLabel('Name of the client').fill('<img class=evil src=/evil>');
		await s.press('Save and show the code');
		await s.see('check.error');
	}));

	test('settings', () => on('view.latchkey.settings', {}, async s => {
		const joinedHTML = field => html(field).replace(/\s/g, '/');

		await s.see('uci.door.title', 'redirect.name', joinedHTML('main.interface'), 'resolved');
	}));

	test('a static lease that the router refuses', () => on('view.latchkey.overview', {}, async s => {
		await s.press('Set up another door…');
		await s.page.getByLabel('Where does the door lead?').selectOption('192.168.1.100');
		await s.page.getByLabel('Static lease').check();
		await s.press('Next');
		await s.see('resolved');
		await s.press('Save and show the code');
		await s.see('reserve.error', 'reserve.hint');
	}));

	test('doors', () => on('view.latchkey.doors', { mode: { refuse: true } }, async s => {
		await s.see('uci.door.title', 'uci.other.title', 'uci.client.title', 'lease', html('proto').replace(/\s/g, '/').toUpperCase(), html('dest_ip6'), html('dest_ip'), 'redirect.name', 'rule.open');
		for (const i of [ 0, 1 ]) {
			await s.page.getByRole('button', { name: 'Edit', exact: true }).nth(i).click();
			await s.see(i ? 'uci.other.title' : 'uci.door.title', 'lease', 'zone.name');
			assert.match(await s.modal.locator('h4').textContent(), /^Door “/);
			await s.modal.getByRole('button', { name: 'Dismiss' }).click();
		}
		await s.press('Add a door…');
		await s.see('lease');
		await s.press('Next');
		await s.see('uci.client.title');
		await s.modal.getByRole('button', { name: 'Save & Apply' }).click();
		await s.see('check.error');
	}));

	test('problems of what is saved and applied', () => on('view.latchkey.doors', { mode: { refuse: true } }, async s => {
		await s.page.locator('#view').getByText('Save & Apply', { exact: true }).first().click();
		await s.see('check.error');
	}));

	test('doubts of what is saved and applied', () => on('view.latchkey.clients', {}, async s => {
		await s.page.locator('#view').getByText('Save & Apply', { exact: true }).first().click();
		await s.see('check.warning');
	}));

	test('clients', () => on('view.latchkey.clients', { mode: { refuse: true } }, async s => {
		await s.see('uci.client.title', 'uci.door.title', joined('uci.client.door'));
		await s.page.getByRole('button', { name: 'Edit', exact: true }).first().click();
		await s.see('uci.other.title');
		assert.match(await s.modal.locator('h4').textContent(), /^Client “/);
		await s.modal.getByRole('button', { name: 'Forget stamps…' }).click();
		await s.modal.getByRole('button', { name: 'Press again to forget them' }).click();
		await s.see('forget.error', 'forget.hint');
		await s.modal.getByRole('button', { name: 'Dismiss' }).click();
		await s.press('New key…');
		await s.see('uci.client.title');
		assert.match(await s.modal.locator('h4').textContent(), /^New key for \u2068<img/);
		assert.ok((await s.modal.getAttribute('aria-label')).includes(shown('uci.client.title')));
		await s.press('Replace the key and show the code');
		await s.see('check.error');
		await s.modal.getByRole('button', { name: 'Cancel' }).click();
		await s.press('Add a client…');
		await s.see('uci.door.title');
		await s.page.getByLabel('Name of the client').fill('<img class=evil src=/evil>');
		await s.modal.getByRole('checkbox').first().check();
		await s.press('Save and show the code');
		await s.see('check.error');
	}));

	test('an apply that the router refuses', () => on('view.latchkey.clients', {}, async s => {
		await s.press('New key…');
		await s.press('Replace the key and show the code');
		await s.see('apply.message');
	}));

	test('a code that the router does not make', () => on('view.latchkey.clients', {}, async s => {
		await s.press('New code…');
		await s.see('uci.client.title');
		assert.match(await s.modal.locator('h4').textContent(), /^New code for the same key: \u2068<img/);
		await s.press('Show the code');
		await s.see('offer.error', 'offer.hint');
	}));

	test('a code of which nothing may be believed', () => on('view.latchkey.clients', { mode: { offer: true } }, async s => {
		await s.press('New code…');
		await s.press('Show the code');
		await s.see('offer.minutes', 'offer.warning');
		assert.equal(await s.modal.getByText('Open the knock page here').getAttribute('href'), null);
		await s.press('Show the link itself');
		await s.see('link.error', 'link.hint');
	}));

	test('sequences', () => on('view.latchkey.sequences', {}, async s => {
		await s.see(html('step').replace(/\s/g, '/'), 'uci.door.title', joined('uci.sequence.door'));
		for (const i of [ 0, 1 ]) {
			await s.page.getByRole('button', { name: 'Edit', exact: true }).nth(i).click();
			await s.see(i ? html('once') : html('step').replace(/\s/g, '/'), 'uci.client.title');
			assert.match(await s.modal.locator('h4').textContent(), /^Sequence “/);
			await s.modal.getByRole('button', { name: 'Dismiss' }).click();
		}
		await s.press('Hand out…');
		await s.see();
		await s.modal.getByRole('button', { name: 'Done' }).click();
		await s.press('Import from knockd or fwknop…');
		await s.page.getByLabel('or its text').fill('x');
		await s.press('Translate');
		await s.see('import.error', 'import.hint');
	}));

	test('what an import found', () => on('view.latchkey.sequences', { mode: { translate: true } }, async s => {
		await s.press('Import from knockd or fwknop…');
		await s.page.getByLabel('or its text').fill('x');
		await s.press('Translate');
		await s.see('import.comment', '<img/class=evil/src=/evil>{import.step}');
	}));

	test('events', () => on('view.latchkey.events', {}, async s => {
		const untold = { pending: [ 'address', 'client', 'detail' ], broken: [ 'address', 'client' ], ready: [ 'address', 'client', 'detail' ], reload: [ 'door', 'address', 'client', 'detail' ],
			closed: [ 'client' ], expired: [ 'client' ], link: [ 'door', 'address', 'client' ], started: [ 'door', 'address', 'client' ], trouble: [ 'door', 'address', 'client' ],
			'new-kind': [ 'door', 'address', 'client' ] };

		await s.see('event.kind', 'reason.alone', 'client.title', 'door.title');
		for (const kind of KINDS)
			for (const field of [ 'door', 'client', 'address', 'detail' ])
				if (!untold[kind]?.includes(field))
					await s.see(kind + '.' + field);
		await s.page.getByLabel('Show').selectOption('refused');
		await s.see('refused.detail');
	}));

	test('stealth check', () => on('view.latchkey.stealth', {}, async s => {
		await s.see('zone.name', 'rule.name', 'rule.dest', 'redirect.name', 'redirect.dest_ip', html('rule.port').replace(/\s/g, '/'));
		for (let i = 0, n = await s.page.getByText('Make silent…').count(); i < n; i++) {
			await s.page.getByText('Make silent…').nth(i).click();
			await s.see();
			await s.modal.getByRole('button', { name: 'Cancel' }).click();
		}
		await s.page.getByText('Make silent…').first().click();
		await s.modal.getByRole('button', { name: 'Save & Apply' }).click();
		await s.see('silence.error', 'silence.hint');
	}));

	test('the card of the status page', () => on('view.status.include.70_latchkey', {}, async s => {
		await s.see('door.title', 'grant.address', 'grant.client');
	}));

	for (const [ view, ...fields ] of [ [ 'overview', 'status.problem', 'door.title', 'grant.address' ], [ 'doors', 'door.title', 'door.name', 'grant.client' ],
		[ 'clients', 'client.title', 'door.title' ], [ 'settings' ], [ 'events', 'trouble.detail' ], [ 'sequences' ], [ 'stealth', 'zone.name' ] ])
		test('a read-only account’s ' + view, () => on('view.latchkey.' + view, { reader: true }, s => s.see(...fields)));

	for (const [ view, failing ] of [ [ 'doors', 'uci get latchkey' ], [ 'clients', 'uci get latchkey' ], [ 'sequences', 'uci get latchkey' ], [ 'settings', 'uci get latchkey' ], [ 'doors', 'session access' ] ])
		test(`an error of ${failing} on ${view}`, () => on('view.latchkey.' + view, { mode: { failing } }, s => s.see('rpc.message')));

	for (const size of [ 'desktop', 'phone' ])
		for (const [ name, view, button ] of [ [ 'key', 'clients', 'New key…' ], [ 'device', 'clients', 'Add a client…' ], [ 'door', 'doors', 'Add a door…' ], [ 'open', 'overview', 'Open for an address…' ], [ 'silent', 'stealth', 'Make silent…' ] ])
			test(`the dialog ${name} with such texts is accessible and fits: ${size}`, { skip: REAL ? 'the look is that of a theme' : false }, () => on('view.latchkey.' + view, { size }, async s => {
				await s.page.getByText(button).first().click();
				await s.modal.locator('h4').waitFor();
				await screenshot(s.page, `hostile-${name}-${size}`);
				assert.deepEqual(await accessibility(s.page, '.lk-dialog'), []);
				assert.ok(await overflow(s.page) <= 0, 'wider than the screen by ' + await overflow(s.page) + ' px');
			}));
});
