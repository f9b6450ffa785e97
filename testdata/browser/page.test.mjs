// SPDX-License-Identifier: Apache-2.0

// The page in real browsers, from a file and from http:. What leaves the machine is tested with the real daemon
// (cmd/latchkeyd); here the router is this machine's loopback address.

import test from 'node:test';
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { open, programs, until } from './browser.mjs';
import { pageFile, pageURL, press, said, visit, visitAlone } from './page.mjs';

const link = '#v=1&n=Mum%20%26%20%22Dad%22%20%3Cb%3E&a=127.0.0.1&a=::1&u=41641&p=20480&k=AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8&d=nas_ssh,router_web,vpn' +
	'&i=nas_ssh:tcp:2222-2223+9:ssh:NAS%3A%20%3Ci%3ESSH%3C%2Fi%3E%20%26%20more&i=vpn:udp:51820::';
const second = '#v=1&n=Cabin&h=localhost&u=41641&k=' + 'B'.repeat(43).replace(/B$/, 'A') + '&d=gate&i=gate:tcp:8443:https:Gate';
const title = 'Mum & "Dad" <b>';
const text = selector => `document.querySelector('${selector}').textContent`;
const stamp = 'localStorage[Object.keys(localStorage).find(k => k.startsWith("latchkey last "))]';
const used = `[].concat(JSON.parse(${stamp} || '0'))`;
const hidden = id => `document.getElementById('${id}').hidden`;

/** Serves the page, and tells what was asked for. */
async function serve() {
	const asked = [];
	const server = createServer((request, response) => {
		asked.push(request.url);
		response.setHeader('Content-Type', 'text/html; charset=utf-8');
		response.end(readFileSync(pageFile));
	});
	await new Promise(done => server.listen(0, '127.0.0.1', done));
	return { asked, url: `http://127.0.0.1:${server.address().port}/latchkey/`, close: () => server.close() };
}

for (const name of ['chromium', 'firefox']) {
	const skip = programs[name]() ? false : `SKIP: ${name} is not installed`;
	test(name, { skip }, async t => {
		const browser = await open(name);
		const server = await serve();
		t.after(async () => {
			server.close();
			await browser.close();
		});

		const texts = selector => browser.run(`[...document.querySelectorAll('${selector}')].map(x => x.textContent)`);
		const paste = value => browser.run(`(document.getElementById('paste').value = ${JSON.stringify(value)}, setTimeout(() => document.querySelector('#setup button').click()), 0)`);

		for (const [kind, url] of [['file', pageURL], ['http', server.url]]) await t.test(`a page from ${kind}:`, async t => {
			await t.test('says what is missing', async () => {
				await browser.goto(url);
				assert.match(await browser.run(text('#lead')), /No settings yet/);
				assert.equal(await browser.run(hidden('setup')), false);
				assert.equal(await browser.run(hidden('foot')), true);
			});
			await t.test('says that a link is damaged, or of a newer version', async () => {
				await visit(browser, url, link.slice(0, 100));
				assert.match(await browser.run(text('.note')), /damaged/);
				await visit(browser, url, link.replace('v=1', 'v=2'));
				assert.match(await browser.run(text('.note')), /newer version/);
			});
			await t.test('takes a link that is pasted', async () => {
				await browser.goto(url);
				await paste('https://elsewhere/' + link);
				await until('the doors', () => browser.run('document.readyState === "complete" && document.querySelectorAll(".door").length === 3'));
			});
			await t.test('shows the doors, as text', async () => {
				await visit(browser, url, link);
				assert.equal(await browser.run(text('h1')), title);
				assert.equal(await browser.run('document.title'), title);
				assert.deepEqual(await texts('.door b'), ['NAS: <i>SSH</i> & more', 'router web', 'vpn']);
				assert.deepEqual(await texts('.door small'), ['ssh · ports 2222-2223, 9', 'port 51820']);
				assert.deepEqual(await texts('.note'), kind === 'http' ? ['Save now: only this tab keeps the settings.'] : []);
			});
			await t.test('offers to save where it is needed first', async () => {
				assert.equal(await browser.run('!!document.querySelector("#notes button")'), kind === 'http');
				assert.equal(await browser.run(hidden('save')), kind === 'http');
			});
			await t.test('keeps the link, out of the address bar', async () => {
				assert.doesNotMatch(await browser.run('location.href'), /#/);
				await browser.goto(url);
				assert.equal(await browser.run(text('h1')), title);
			});
			await t.test('leaves no key where another network could read it', async () => {
				assert.equal(await browser.run('/k=AAEC/.test(JSON.stringify(localStorage))'), kind === 'file');
			});
			await t.test('adds a second router, and puts new settings of a key in the place of its old ones', async () => {
				await visit(browser, url, second);
				assert.deepEqual(await texts('h2'), [title, 'Cabin']);
				assert.equal(await browser.run(text('h1')), 'Latchkey');
				assert.match(await browser.run(text('#lead')), /^Cabin was added/);
				assert.equal(await browser.run('document.querySelectorAll(".door").length'), 4);
				await visit(browser, url, link.replace('d=nas_ssh,router_web,', 'd='));
				assert.deepEqual(await texts('h2'), [title, 'Cabin']);
				assert.match(await browser.run(text('#lead')), /was renewed/);
				assert.deepEqual(await texts('.door b'), ['vpn', 'Gate']);
				await browser.goto(url);
				assert.deepEqual(await texts('h2'), [title, 'Cabin']);
				await visit(browser, url, link);
			});
			await t.test('takes nothing that a web page sends before a press, and no key in the place of another', async () => {
				const kept = () => browser.run('JSON.stringify([localStorage.latchkey, sessionStorage.latchkey])'), before = await kept();
				const answer = which => browser.run(`(document.querySelectorAll('#ask button')[${which}].click(), 0)`);
				const evil = link.replace('k=AA', 'k=EE').replace('&a=', '&h=evil.invalid&a=');
				const honest = await texts('.place');
				for (const send of [() => browser.goto(url + evil), () => browser.run(`(location.hash = ${JSON.stringify(evil)}, 0)`)]) {
					await send();
					await until('the question', () => browser.run('!!document.querySelector("#ask")'));
					assert.deepEqual(await texts('#ask b, #ask small'), [title, 'evil.invalid, 127.0.0.1, ::1']);
					assert.deepEqual(await texts('h2'), [title, 'Cabin']);
					assert.deepEqual(await texts('.place'), honest, 'what may be tried');
					assert.equal(await browser.run('performance.getEntriesByType("resource").filter(x => /evil/.test(x.name)).length'), 0, 'what was tried');
					assert.equal(await kept(), before);
					assert.doesNotMatch(await browser.run('location.href'), /#/);
				}
				await answer(1);
				assert.equal(await browser.run('!!document.querySelector("#ask")'), false);
				assert.equal(await kept(), before);

				await browser.goto(url + link.replace('&a=127.0.0.1', ''));
				assert.deepEqual(await texts('.place'), ['127.0.0.1, ::1', 'localhost'], 'the same key is asked about, too');
				await answer(0);
				assert.deepEqual(await texts('.place'), ['::1', 'localhost']);
				await visit(browser, url, link);

				await visit(browser, url, evil);
				assert.deepEqual(await texts('h2'), [title, 'Cabin', title]);
				const places = await texts('.place');
				assert.match(places[0], /^127\.0\.0\.1, ::1 · .*\d/);
				assert.equal(places[1], 'localhost');
				assert.match(places[2], /^evil\.invalid, 127\.0\.0\.1, ::1 · .*\d/);
				await browser.run('(b => (b.click(), b.click(), 0))(document.querySelectorAll(".links button")[5])');
				assert.deepEqual(await texts('h2'), [title, 'Cabin']);
			});
			await t.test('forgets one router, when it is asked twice', async () => {
				const forget = 'document.querySelectorAll(".links button")[3].click()';
				await browser.run(forget);
				assert.deepEqual(await texts('h2'), [title, 'Cabin']);
				await browser.run(forget);
				assert.deepEqual(await texts('h2'), [title]);
			});
			await t.test('locks its doors for the time of a knock, keeps the focus, and offers to go on', async () => {
				const start = Date.now();
				const last = await browser.run(`Math.max(...${used})`);
				await press(browser, 'nas_ssh');
				assert.ok(Date.now() - start >= 2900, 'the doors were locked for less than 3 s');
				assert.equal(await browser.run('document.activeElement.dataset.door'), 'nas_ssh');
				const card = await said(browser, 'nas_ssh');
				assert.deepEqual([card.connect, card.place, card.open], ['ssh://127.0.0.1:2222', '127.0.0.1:2222', false]);
				assert.match(card.result, /^Knocked\. Closed ports/, 'loopback refuses');
				assert.deepEqual(await texts('.door:first-of-type .shut'), ['Close NAS: <i>SSH</i> & more']);
				assert.ok(await browser.run(`Math.max(...${used}) > Math.max(${last}, ${start - 1})`), 'the last stamp was not kept');
			});
			await t.test('keeps where to go, but no script', async () => {
				const type = value => browser.run(`(input => (input.value = '${value}', input.oninput()))(document.querySelector('.door input'))`);
				await type('javascript://%0aalert(1)');
				assert.equal((await said(browser, 'nas_ssh')).connect, '');
				await type('ssh://me@nas.example.net');
				await browser.goto(url);
				await press(browser, 'nas_ssh');
				assert.equal((await said(browser, 'nas_ssh')).connect, 'ssh://me@nas.example.net');
				await type('');
			});
			await t.test('has nothing to tap for a door without a scheme', async () => {
				await press(browser, 'vpn');
				const card = await said(browser, 'vpn');
				assert.deepEqual([card.connect, card.place], ['', '127.0.0.1:51820']);
			});
			await t.test('goes on above a stamp from the future, and takes the present, too', async () => {
				const future = Date.now() + 3_600_000;
				await browser.run(`${stamp} = ${future}`);
				await browser.goto(url);
				assert.match(await browser.run(text('#notes')), /clock/);
				await press(browser, 'router_web');
				assert.ok(await browser.run(`Math.max(...${used}) > ${future}`));
				assert.ok(await browser.run(`${used}.some(u => Math.abs(u - Date.now()) < 30000)`), 'no stamp of the present');
				await visitAlone(browser, url + link.replace('k=AA', 'k=BB'));
				assert.doesNotMatch(await browser.run(text('#notes')), /clock/, 'a new key is not the way out');
			});
			await t.test('forgets all', async () => {
				await browser.run('(localStorage.clear(), sessionStorage.clear())');
				await browser.goto(url);
				assert.equal(await browser.run(hidden('setup')), false);
			});
		});

		await t.test('a saved copy has the settings inside, and works', async () => {
			await visit(browser, server.url, link);
			await browser.run('document.querySelector("#notes button").click()');
			const file = join(browser.downloads, 'latchkey-Mum_Dad_b_.html');
			const saved = await until('the download', () => existsSync(file) && readFileSync(file, 'utf8'));
			const script = page => page.match(/<script>(.*)<\/script>/s)[1];
			assert.equal(script(saved), script(readFileSync(pageFile, 'utf8')));
			assert.match(saved, /<noscript><div class="box"><p lang="en">This page knocks by scripts/);
			assert.doesNotMatch(saved.replace(/<meta name="latchkey"[^>]*>/, ''), /Mum|&amp;a=|nas_ssh/);
			await browser.run('localStorage.clear()');
			const copy = pathToFileURL(file).href;
			await browser.goto(copy);
			assert.equal(await browser.run(text('h1')), title);
			assert.equal(await browser.run('document.querySelectorAll(".links button")[1].hidden'), true, 'it offers to forget what is in the file');
			await press(browser, 'nas_ssh');
			await visit(browser, copy, second);
			await browser.goto(copy);
			assert.deepEqual(await texts('h2'), [title, 'Cabin'], 'what was added to a saved copy');
		});

		await t.test('the fragment is sent to nobody, and nothing else is loaded', () => {
			assert.deepEqual([...new Set(server.asked)], ['/latchkey/']);
		});

		await t.test('no foreign script or style runs', async () => {
			await visit(browser, server.url, link);
			assert.equal(await browser.run(`(() => {
				const s = document.createElement('script');
				s.textContent = 'window.foreign = true';
				document.body.append(s);
				return window.foreign === undefined;
			})()`), true);
		});
	});
}

// Chromium plays the others: what counts is what they call themselves.
const chromiumOnly = { skip: programs.chromium() ? false : 'SKIP: chromium is not installed' };
for (const [who, agent, words] of [
	['an iPhone', 'Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1', /iPhones and iPads run no saved pages.*Home Screen/],
	['Firefox on Android', 'Mozilla/5.0 (Android 15; Mobile; rv:140.0) Gecko/140.0 Firefox/140.0', /Firefox on Android runs no saved pages.*Chrome/],
])
	test(`${who} is not offered to save, and is told what to do instead`, chromiumOnly, async t => {
		const browser = await open('chromium', { agent }), server = await serve();
		t.after(async () => {
			server.close();
			await browser.close();
		});
		await visit(browser, server.url, link);
		assert.match(await browser.run(text('.note')), words);
		assert.equal(await browser.run('document.querySelectorAll("#notes button").length'), 0);
		assert.equal(await browser.run(hidden('save')), true);
		assert.equal(await browser.run('document.querySelectorAll(".links button")[0].textContent'), 'Copy link');
	});

test('without scripts the page says so', chromiumOnly, async t => {
	const browser = await open('chromium', { scripts: false });
	t.after(() => browser.close());
	await browser.goto(pageURL);
	assert.match(await browser.run('document.body.innerText'), /knocks by scripts.*Skripten.*脚本/s);
});

test('a card counts down, and is drawn shut when its time is over', chromiumOnly, async t => {
	const browser = await open('chromium');
	t.after(() => browser.close());
	await visit(browser, pageURL, link);
	const after = (seconds, ago) => browser.run(`(setOpen(routers[0].cards[0], Date.now() - ${1000 * ago}, ${seconds}), 0)`).then(() => said(browser, 'nas_ssh'));
	assert.deepEqual(await after(3661, 0).then(c => [c.open, c.time]), [true, '1:01:01 left']);
	assert.deepEqual(await after(3661, 3600).then(c => [c.open, c.time]), [true, '1:01 left']);
	assert.match((await after(0, 60)).time, /^Open since \d/, 'a time that is not known is not made up');
	assert.deepEqual(await after(60, 61).then(c => [c.open, c.time, c.result]), [false, '', 'Its time is over.']);
});

test('there is room for 16 routers', chromiumOnly, async t => {
	const browser = await open('chromium');
	t.after(() => browser.close());
	await browser.goto(pageURL);
	const add = i => browser.run(`(state.probe = false, take(${JSON.stringify(second.replace('k=BB', 'k=B' + 'ABCDEFGHIJKLMNOPQ'[i]))}).then(() => routers.length))`);
	for (let i = 0; i < 16; i++) assert.equal(await add(i), i + 1);
	assert.equal(await add(0), 16, 'the same key needs no room');
	assert.equal(await browser.run(`document.querySelectorAll('.note').length`), 0);
	assert.equal(await add(16), 16);
	assert.match(await browser.run(text('.note')), /room for 16 routers/);
});

// What came back is given here; real routers answer in cmd/latchkeyd.
const nothing = '{ came: {}, age: () => 3000, stop() {} }', something = after => `{ came: { '127.0.0.1': ${after}, '::1': ${after} }, age: () => 3000, stop() {} }`;
const sees = (browser, ...answers) => browser.run(`(knock = () => {}, window.answers = [${answers.join(', ')}], watch = () => answers.shift(), 0)`);

/* what is seen of an open door so many times, and of the port beside it */
const again = times => Array(times).fill([something(20), nothing]).flat();

for (const [what, away, answers, word, stays] of [
	['answered and fell silent is closed', false, [nothing, something(20), nothing, nothing], /^Closed/, false],
	['was silent all the time is only asked to close', false, [nothing, nothing, nothing, nothing], /^Asked to close\.$/, true],
	['fell silent with the network is only asked to close', true, [nothing, something(20), nothing, nothing], /^Asked to close\.$/, true],
	['answered three times over what was left of before is closed', false, [nothing, something(20), ...again(3), nothing, nothing], /^Closed/, false],
	['answers on is not closed', false, [nothing, something(20), ...again(4)], /still answers/, true],
])
	test(`a door that ${what}`, chromiumOnly, async t => {
		const browser = await open('chromium');
		t.after(() => browser.close());
		await visit(browser, pageURL, link);
		await sees(browser, ...answers);
		await browser.run(`(offline = async () => ${away}, setOpen(routers[0].cards[0], Date.now(), 600), showTarget(routers[0].cards[0]), 0)`);
		await press(browser, 'nas_ssh', '.shut');
		const card = await said(browser, 'nas_ssh');
		assert.match(card.result, word);
		assert.equal(card.open, stays);
		assert.equal(card.place !== '', stays, 'it cannot be asked again');
	});

for (const [what, taken, word] of [
	['has connections left is told to look at the Events', 0, /^Nothing comes back\. See/],
	['has none left is told that only UDP went out', 200, /only over UDP/],
])
	test(`who knocks in vain and ${what}`, chromiumOnly, async t => {
		const browser = await open('chromium');
		t.after(() => browser.close());
		await visit(browser, pageURL, link);
		await sees(browser, ...Array(8).fill(nothing));
		await browser.run(`(offline = async () => false, sockets.held = Array(${taken}).fill(Date.now() + 1e6), 0)`);
		await press(browser, 'nas_ssh');
		assert.match((await said(browser, 'nas_ssh')).result, word);
	});

for (const [what, again, word, isOpen] of [
	['once, is open', 20, /^Open\.$/, true],
	['each time, may have been missed before the knock', 1000, /^Knocked at /, false],
])
	test(`an answer that takes a second ${what}`, chromiumOnly, async t => {
		const browser = await open('chromium');
		t.after(() => browser.close());
		await visit(browser, pageURL, link);
		await sees(browser, nothing, nothing, something(1000), nothing, something(again));
		await press(browser, 'nas_ssh');
		const card = await said(browser, 'nas_ssh');
		assert.match(card.result, word);
		assert.equal(card.open, isOpen);
		assert.notEqual(card.connect, '');
	});

test('a page of which a door was seen open, of unknown time, shuts it when it is silent', chromiumOnly, async t => {
	const browser = await open('chromium');
	t.after(() => browser.close());
	await visit(browser, pageURL, link);
	await browser.run('(setOpen(routers[0].cards[0], Date.now(), 0), lookAgain(routers[0].cards[0], routers[0].cards[0].before.door), 0)');
	await until('the look', () => browser.run('routers[0].cards[0].before.door.age() > 3000'));
	assert.equal((await said(browser, 'nas_ssh')).open, true, 'loopback refuses: that is an answer');
	await browser.run('(routers[0].cards[0].before = { door: { came: {} } }, lookAgain(routers[0].cards[0], routers[0].cards[0].before.door), 0)');
	await until('the door is shut', async () => !(await said(browser, 'nas_ssh')).open);
	assert.equal((await said(browser, 'nas_ssh')).result, 'It answers no more.');
});
