/* what is on the screen */
const source = '<!doctype html>\n' + document.documentElement.outerHTML;
const $ = id => document.getElementById(id);
const mostRouters = 16, mostLooks = 24, slow = 700, lookLasts = 10e3;
const app = {on: false}; /* an installed app keeps its settings, and needs no saved copy */
const inside = JSON.parse(decodeURIComponent(document.querySelector('[name=latchkey]').content) || '{}');
const state = {probe: true, go: {}};
let routers = [], busy = false;

const make = (parent, tag, className = '', textContent = '') => Object.assign(parent.appendChild(document.createElement(tag)), {className, textContent});
const note = content => make(make($('notes'), 'div', 'box'), 'p', 'note', content).parentNode;
const button = (parent, text, onclick, className = '') => Object.assign(make(parent, 'button', className, text), {type: 'button', onclick});
const action = (text, onclick) => button($('foot'), text, onclick);
const clockTime = ms => new Date(ms).toLocaleTimeString(lang, {timeStyle: 'short'});

/* a door and its card */
function addCard(router, door) {
	const box = make(router.section, 'div', 'door'), card = {router, door, box, open: null};
	card.knock = button(box, '', () => press(card, false), 'knock');
	card.knock.dataset.door = door.name;
	make(make(card.knock, 'span', 'frame'), 'span', 'leaf');
	const label = make(card.knock, 'span', 'label');
	make(label, 'b', '', door.title);
	if (door.port) make(label, 'small', '', [door.service, t(portsText(door) === `${door.port}` ? 'port' : 'ports', portsText(door))].filter(x => x).join(' · '));
	card.result = make(box, 'p', 'result');
	card.result.setAttribute('role', 'status');
	card.time = make(box, 'p', 'time'); /* not read out each second */
	const row = card.row = make(box, 'div', 'row');
	row.hidden = true;
	card.go = make(row, 'a', 'main', t('go'));
	card.place = make(row, 'code');
	card.copy = button(row, t('copy'), () => copy(card.copy, card.go.hidden ? card.place.textContent : card.url.value));
	card.shut = button(row, t('shut', door.title), () => press(card, true), 'shut');
	const more = make(row, 'details');
	make(more, 'summary', '', t('edit'));
	card.url = Object.assign(make(more, 'input'), {type: 'url', oninput: () => goTo(card, card.url.value, true)});
	card.url.setAttribute('aria-label', t('edit'));
	router.cards.push(card);
}

/* only what starts a program for such a service may be tapped */
function goTo(card, url, typed) {
	const name = `${stampName(card.router)} ${card.door.name}`;
	if (typed) state.go[name] = url;
	if (typed) keep();
	card.url.value = state.go[name] || url || '';
	card.go.hidden = !/^(ssh|sftp|https?|rdp|vnc):\/\/\S/i.test(card.url.value);
	card.go.href = card.url.value;
}

/* what came of a press, in the card that was pressed */
function say(card, word, value) {
	card.result.textContent = t(word, value);
	card.box.classList.toggle('busy', word === 'busy');
	if (word === 'offline' && !card.open) hideTarget(card);
}

function showTarget(card, host) {
	const {place = '', url} = targetOf(card.router, card.door, host);
	goTo(card, url);
	card.place.textContent = place;
	card.copy.hidden = !place && card.go.hidden;
	card.row.hidden = false;
	card.box.scrollIntoView({block: 'nearest'});
}

function hideTarget(card) {
	if (card.row.contains(document.activeElement)) card.knock.focus();
	card.row.hidden = true;
}

/* from: ms since 1970; seconds: how long it stays open, 0 = not known */
function setOpen(card, from, seconds) {
	card.open = from && {from, until: seconds ? from + 1000 * seconds : 0};
	card.box.classList.toggle('open', !!from);
	tick();
}

function tick() {
	for (const card of routers.flatMap(r => r.cards)) {
		const {from, until} = card.open || {}, left = Math.ceil((until - Date.now()) / 1000), two = n => String(n).padStart(2, '0');
		if (until && left <= 0) {
			setOpen(card, 0);
			card.result.textContent = t('over');
			hideTarget(card);
		} else {
			card.time.textContent = !from ? '' : !until ? t('since', clockTime(from)) :
				t('left', (left < 3600 ? '' : Math.floor(left / 3600) + ':') + (left < 3600 ? Math.floor(left / 60) : two(Math.floor(left / 60) % 60)) + ':' + two(left % 60));
		}
	}
}

/* tries the ports of doors before anything is pressed */
function look(cards) {
	if (!state.probe || busy) return;
	for (const router of new Set(cards.map(c => c.router))) {
		const hosts = hostsOf(router), mine = cards.filter(c => c.router === router && tryPort(c.door));
		if (!mine.length || sockets.left() < 150) continue;
		const other = watch(hosts, otherPort(router)), at = Date.now();
		for (const card of mine.slice(0, mostLooks / hosts.length)) {
			card.before = {at, other, door: watch(hosts, tryPort(card.door), card.door.service)};
			if (card.open) lookAgain(card, card.before.door);
			else lookHome(card, hosts, card.before);
		}
	}
}

/* a door whose time is not known is taken for open until it is silent, to a device that has a network */
async function lookAgain(card, door) {
	await sleep(2500);
	const silent = () => !busy && card.open && card.before?.door === door && !Object.keys(door.came).length;
	if (!silent() || await offline() || !silent()) return;
	setOpen(card, 0);
	say(card, 'shutSeen');
}

/* a door that answers before anything was pressed needs no knock */
async function lookHome(card, hosts, b) {
	await sleep(1500);
	if (busy || card.open || card.before !== b) return;
	const saw = seen(hosts, b.door, b.other), {word, host} = judge(saw, saw, b.door.age(), true);
	if (word !== 'before') return;
	showTarget(card, host);
	say(card, 'here');
}

const lookAll = () => {
	for (const card of routers.flatMap(r => r.cards)) delete card.before;
	look(routers.flatMap(r => r.cards).filter(c => !c.open?.until));
};

/* how a door's port is before the knock: what was silent for a second is taken for silent */
async function before(card, hosts) {
	const silent = b => hosts.every(h => b.door.came[h] === undefined && b.other.came[h] === undefined);
	let b = card.before;
	delete card.before;
	if (!b || Date.now() - b.at > lookLasts || !silent(b)) b = {at: Date.now(), other: watch(hosts, otherPort(card.router)), door: watch(hosts, tryPort(card.door), card.door.service)};
	const all = () => hosts.every(h => b.door.came[h] !== undefined && b.other.came[h] !== undefined);
	while (b.door.age() < 1000 && !all()) await sleep(20);
	const s = seen(hosts, b.door, b.other);
	b.door.stop();
	b.other.stop();
	return s;
}

/* watches a door after a knock, until there is a word for it */
async function after(card, hosts, first, most) {
	const door = watch(hosts, tryPort(card.door), card.door.service), other = watch(hosts, otherPort(card.router));
	/* at a host where it did, it will not open at another much later */
	const answered = hosts.some(h => first[h].door !== undefined && first[h].other === undefined);
	for (;;) {
		await sleep(20);
		const age = door.age(), over = age > (answered ? Math.min(most, 800) : most), saw = seen(hosts, door, other), verdict = judge(first, saw, age, over);
		if (verdict.word === 'wait' || verdict.word === 'silent' && !over) continue;
		door.stop();
		other.stop();
		return {...verdict, saw, nowhere: hosts.every(h => first[h].other !== undefined || h in other.came)};
	}
}

/* whether answers take so long that one may have been missed before; a late one may be of a second SYN, so it is asked again */
async function isSlow({door}, host, ms) {
	if (ms <= slow) return false;
	const again = watch([host], tryPort(door), door.service);
	while (again.age() <= slow && !(host in again.came)) await sleep(20);
	again.stop();
	return !(again.came[host] <= slow);
}

/* knocks and says what was seen; a second time by itself, if nothing was */
async function open(card) {
	const {router, door} = card, hosts = hostsOf(router), minutes = +document.querySelector('[name=for]:checked').value;
	const away = offline(), probes = canTry(card);
	if (!probes) {
		const other = watch(state.probe ? hosts : [], otherPort(router)), from = send(card, false, minutes);
		const nowhere = async () => !navigator.onLine || state.probe && hosts.every(h => h in other.came) && away;
		await sleep(600);
		if (!await nowhere()) {
			showTarget(card);
			say(card, 'knocked', clockTime(from));
			await free(); /* a busy device may take its time to say that it is offline */
		}
		return await nowhere() && say(card, 'offline');
	}
	const first = await before(card, hosts);
	let udpOnly = router.p > 0;
	for (const last of [false, true]) {
		udpOnly &&= !synHosts(router).length;
		const from = send(card, false, minutes);
		await sleep(150); /* what most knocks take */
		const {word, host, nowhere, saw} = await after(card, hosts, first, 2600);
		if (word !== 'open' && nowhere && await away) return say(card, 'offline');
		if (word === 'open' && await isSlow(card, host, saw[host].door)) {
			showTarget(card, host);
			return say(card, 'knocked', clockTime(from));
		}
		if (word === 'open') setOpen(card, from, secondsOf(door, minutes));
		if (word === 'silent') setOpen(card, 0);
		showTarget(card, word in {open: 1, before: 1} && host);
		if (word !== 'silent') return say(card, word);
		if (last) return say(card, udpOnly ? 'udpOnly' : word);
		say(card, 'again');
		await free();
	}
}

/* asks to close, and says whether the door falls silent: one that answered until then, to a device that has a network */
async function shut(card) {
	const hosts = hostsOf(card.router), probes = canTry(card);
	delete card.before;
	const first = probes && await before(card, hosts), heard = hosts.filter(h => first && first[h].door !== undefined && first[h].other === undefined);
	send(card, true, 0);
	await sleep(400);
	const ask = () => after(card, hosts, Object.fromEntries(hosts.map(h => [h, {}])), 1200);
	let last = probes ? await ask() : {};
	/* a connection that the browser has left from before brings one more answer, and is gone */
	for (let more = 3; more && last.word === 'open'; more--) last = await ask();
	const {word, saw, nowhere} = last;
	if (word === 'open') return say(card, 'still');
	if (probes && await offline()) return say(card, nowhere ? 'offline' : 'closing');
	/* else it can be asked again */
	if (word !== 'silent' || !heard.length || heard.some(h => saw[h].other !== undefined)) return say(card, 'closing');
	setOpen(card, 0);
	say(card, 'closed');
	hideTarget(card);
}

const canTry = card => state.probe && tryPort(card.door) > 0 && sockets.left() > 8 * hostsOf(card.router).length;

/* the SYNs of two knocks within 3 s would mix */
let sent = -3000;
const free = () => sleep(sent + 3000 - performance.now());

function send(card, close, minutes) {
	sent = performance.now();
	knock(card.router, card.door.name, close, minutes);
	return Date.now();
}

async function press(card, close) {
	if (busy) return;
	lock(true);
	say(card, 'busy');
	try { await (close ? shut(card) : open(card)); } finally {
		await free();
		lock(false);
	}
}

/* a button that is disabled would lose the focus */
function lock(on) {
	busy = on;
	for (const b of document.querySelectorAll('.door button')) b.setAttribute('aria-disabled', on);
}

function copy(from, content) {
	const area = make(document.body, 'textarea', '', content), focus = document.activeElement;
	area.select();
	document.execCommand('copy'); /* http: pages have no navigator.clipboard */
	area.remove();
	focus.focus();
	if (!from.textContent.endsWith('✓')) from.append(' ✓');
}

/* this file, with the settings inside */
function save() {
	const page = source.replace(/(name="latchkey" content=")[^"]*/, (_, meta) => meta + encodeURIComponent(JSON.stringify(all())));
	const download = `latchkey-${(routers.length === 1 ? routers[0].n : 'all').replace(/[^\w-]+/g, '_')}.html`;
	Object.assign(document.createElement('a'), {href: URL.createObjectURL(new Blob([page], {type: 'text/html'})), download}).click();
	$('lead').textContent = t('saved', download);
}

const keep = () => store.write(all());
const all = () => ({...state, links: routers.map(({text, at}) => ({text, at}))});

/* takes a link in, in the place of an older one of the same key */
function put(text, at) {
	const router = {...parseLink(text), text, at, cards: []}, i = routers.findIndex(r => sameKey(r, router));
	if (i < 0 && routers.length === mostRouters) throw Error('full');
	if (i < 0 || at >= routers[i].at) routers.splice(i < 0 ? routers.length : i, 1, router);
	return {router, word: i < 0 ? 'added' : 'renewed'};
}

function forget(router, from) {
	if (!from.textContent.endsWith('?')) return from.append('?');
	routers = routers.filter(r => r !== router);
	keep();
	draw();
}

const placeOf = router => hostsOf(router).join(', ');

const isInside = router => inside.links?.some(l => l.text === router.text);

function addSection(router) {
	router.section = document.createElement('section');
	make(router.section, 'h2', '', router.n);
	router.place = make(router.section, 'small', 'place');
	for (const door of router.doors) addCard(router, door);
	const row = make(router.section, 'div', 'links'), link = button(row, t('link'), () => copy(link, router.text));
	const gone = button(row, t('forget'), () => forget(router, gone));
	/* what this file has inside, only deleting it forgets */
	gone.hidden = isInside(router);
}

/* iPhones, iPads and Firefox on Android show a saved page as a text, or without scripts */
const apple = /iP(hone|ad|od)/.test(navigator.userAgent) || /Macintosh/.test(navigator.userAgent) && navigator.maxTouchPoints > 1;
const cannotSave = apple ? 'tabApple' : /Android.*(Firefox|Fennec)/.test(navigator.userAgent) ? 'tabFirefox' : '';

/* shows what there is */
function draw() {
	for (const router of routers) if (!router.section) addSection(router);
	/* two may have one name: their places tell them apart, or else their age */
	for (const r of routers) r.place.textContent = placeOf(r) + (routers.some(o => o !== r && o.n === r.n) ? ' · ' + new Date(r.at).toLocaleString(lang, {dateStyle: 'medium', timeStyle: 'short'}) : '');
	$('routers').replaceChildren(...routers.map(r => r.section));
	$('routers').className = routers.length === 1 ? 'one' : '';
	document.title = $('name').textContent = routers.length === 1 ? routers[0].n : 'Latchkey';
	$('times').hidden = $('foot').hidden = !routers.length;
	$('setup').hidden = !!routers.length;
	$('lead').textContent = t(routers.length ? 'lead' : 'empty');
	if (!routers.length) return;
	if (routers.some(r => r.u[0] && !canCheck(r))) note(t('rtc'));
	if (Date.now() < Date.UTC(2026) || routers.some(r => usedStamps(r).at(-1) > Date.now() + 60000)) note(t('clock'));
	const forgets = (http || !keep()) && !routers.every(isInside);
	if (forgets) {
		const box = note(t(cannotSave || 'tab'));
		if (!cannotSave) button(box, t('save'), save, 'main');
	}
	$('save').hidden = forgets || app.on || cannotSave;
}

/* a code opens one answer of the router, once; throws a word of T */
async function pickUp(code) {
	const params = ['0'.repeat(32), 'latchkey', 'pickup', {name: pickupName(code)}];
	const reply = await fetch('/ubus', {method: 'POST', body: JSON.stringify({jsonrpc: '2.0', id: 1, method: 'call', params})})
		.then(r => r.json()).catch(() => ({}));
	if (!reply.result) throw Error('mute');
	const [, data] = reply.result;
	if (!data?.answer) throw Error('gone');
	try { return unseal(code, unbase64(data.answer)); } catch { throw Error('torn'); }
}

/* the link itself, or that of a pick-up address */
async function linkOf(given) {
	const [, page, code] = /^(https?:[^#]*)?#([\w-]{22})$/i.exec(given) || [];
	if (!code) return given;
	if (page && new URL(page).origin !== origin) {
		location = given;
		return '';
	}
	if (!/^http/.test(origin)) throw Error('mute');
	$('lead').textContent = t('asks');
	return pickUp(unbase64(code));
}

/* shows what a link would add or change, and waits for a press */
function ask(text) {
	const router = parseLink(text), word = routers.some(r => sameKey(r, router)) ? 'renew' : 'addIt', box = note(t(word === 'renew' ? 'askRenew' : 'askAdd'));
	box.id = 'ask';
	make(box, 'b', '', router.n);
	make(box, 'small', '', placeOf(router));
	button(box, t(word), () => take(text), 'main');
	button(box, t('no'), () => box.remove());
}

/* Takes what was scanned or pasted; '' = only shows what is there. What was sent, by whatever page led here, is only shown beside routers that are here. */
async function take(given, sent = false) {
	let wrong = '', taken;
	$('notes').textContent = '';
	$('setup').hidden = true;
	try {
		const text = given && await linkOf(given.trim());
		if (text && sent && routers.length && !routers.some(r => r.text === text)) ask(text);
		else if (text) taken = put(text, Math.max(Date.now(), ...routers.map(r => r.at)));
		if (taken) keep();
	} catch (e) { wrong = e.message; }
	if (wrong) tellWrong(wrong);
	draw();
	if (wrong === 'mute') $('setup').hidden = false;
	$('paste').value = wrong === 'mute' ? given : ''; /* the code still works */
	if (taken && routers.length > 1) $('lead').textContent = `${t(taken.word, taken.router.n)} ${t('lead')}`;
	lookAll();
}

/* a word of T, or the name of a wrong part */
const tellWrong = word => note(word in T.en ? t(word, mostRouters) : t('bad', word));

/* what this file has inside, and what was taken since */
function load() {
	const kept = store.read();
	state.probe = kept.probe ?? inside.probe ?? true;
	state.go = {...inside.go, ...kept.go};
	for (const {text, at} of [...inside.links || [], ...kept.links || []])
		try { put(text, at); } catch (e) { tellWrong(e.message); }
}

function arrive() {
	const given = location.hash.length > 1 ? /^http/.test(origin) ? location.href : location.hash : '';
	/* no key stays in the address, nor what one is picked up by */
	if (given) history.replaceState(null, '', location.pathname);
	return take(given, true);
}

function start() {
	document.documentElement.lang = lang;
	make($('times'), 'legend', '', t('times'));
	for (const [value, text] of [[0, t('t0')], [30, t('min', 30)], [120, t('hours', 2)]]) {
		const label = make($('times'), 'label');
		Object.assign(make(label, 'input'), {type: 'radio', name: 'for', value, checked: !value});
		make(label, 'span', '', text);
	}
	Object.assign(action(t('save'), save), {id: 'save'});
	action(t('add'), () => {
		$('setup').hidden = false;
		$('paste').focus();
	});
	$('probeText').textContent = t('probe');
	$('probeWhy').textContent = t('probeWhy');
	load();
	$('probe').checked = state.probe;
	$('probe').onchange = () => {
		state.probe = $('probe').checked;
		keep();
	};
	$('setup').onsubmit = e => {
		e.preventDefault();
		take($('paste').value);
	};
	setInterval(tick, 1000);
	addEventListener('hashchange', arrive);
	for (const change of ['online', 'offline']) addEventListener(change, lookAll);
	document.addEventListener('visibilitychange', () => document.hidden || lookAll());
	navigator.connection?.addEventListener?.('change', lookAll);
	arrive();
}
