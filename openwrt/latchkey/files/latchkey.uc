// SPDX-License-Identifier: Apache-2.0

// The ubus object "latchkey": rpcd's bridge to latchkeyd's socket, and what has to do with keys.
// Which of the methods a LuCI account may call is in luci-app-latchkey's ACL.

'use strict';

import { cursor } from 'uci';
import { open, popen, readfile, stat, unlink } from 'fs';
import { connect as ubus } from 'ubus';
import { timer } from 'uloop';
import { connect, poll, MSG_DONTWAIT, POLLIN, POLLOUT } from 'socket';
import { change, inForce } from 'latchkey.change';

const CONFIG = '/etc/config';
const SOCKET = '/var/run/latchkey/latchkey.sock';
const PROBLEMS = '/var/run/latchkey.init/problems'; // of a configuration that the init script refused
const SAVED = '/var/run/latchkey.init/saved';       // the last configuration that it took
const SCRATCH = '/var/run/latchkey.rpc';            // of root, for texts that may hold keys
const OFFERS = '/var/run/latchkey.offers';          // of root, where links wait to be picked up
const PATIENCE = 3000;                              // milliseconds from a question to the end of its answer
const LONGEST = 1048576;                            // bytes of an answer
const ON = [ '1', 'on', 'true', 'yes', 'enabled' ];
const WORD = /^[A-Za-z0-9_]+$/;                     // may stand in a command as it is

const UNDO = 30000;                                 // milliseconds until a change that nobody confirms is taken back
const PINGS = [ 'echo-request', 'any', '8', '128' ];

const NOT_RUNNING = {
	running: false,
	error: 'latchkeyd is not running',
	hint: 'switch it on, or read in the log why it does not start'
};

// matches tells whether the whole of a text is like a pattern: to ucode, ^ and $ are the ends of a line.
function matches(text, pattern) {
	return type(text) == 'string' && match(text, pattern)?.[0] == text;
}

// now is the time in milliseconds of a clock that nobody sets.
function now() {
	const t = clock(true);

	return t[0] * 1000 + t[1] / 1000000;
}

// ask sends one request and returns the result, { error, hint }, or NOT_RUNNING.
function ask(request) {
	const end = now() + PATIENCE;
	const s = connect({ path: SOCKET }, null, null, PATIENCE);
	let question = sprintf('%J\n', request), line = '';

	if (!s)
		return NOT_RUNNING;

	// rpcd serves everybody in turn: a daemon that is slow, or was taken over, must not hold it up.
	while (substr(line, -1) != '\n' && length(line) < LONGEST && now() < end) {
		const events = poll(end - now(), [ s, length(question) ? POLLIN | POLLOUT : POLLIN ])?.[0]?.[1] ?? 0;

		if (length(question) && (events & POLLOUT))
			question = substr(question, s.send(question, MSG_DONTWAIT) ?? length(question));

		if (events & ~POLLOUT) {
			const more = s.recv(65536, MSG_DONTWAIT);

			if (!length(more))
				break;
			line += more;
		}
	}
	s.close();

	if (substr(line, -1) != '\n')
		return { error: 'latchkeyd did not answer', hint: 'look for it in the log' };

	const answer = json(line);

	return answer.error ? { error: answer.error, hint: answer.hint ?? '' } : answer.result ?? {};
}

// wrapped is for results that are lists: an answer on ubus is an object.
function wrapped(name, result) {
	return type(result) == 'array' ? { [name]: result } : result;
}

// problem tells why the configuration was refused; "" if it was not.
function problem() {
	const lines = split(trim(readfile(PROBLEMS) ?? ''), '\n');
	const errors = filter(lines, l => match(l, /^error: /));
	const hints = filter(lines, l => match(l, /^hint: /));

	return join('\n', map(length(errors) ? [ ...errors, ...hints ] : lines, l => replace(l, /^(error|hint): /, '')));
}

// process tells what procd knows of the daemon: 'running', also before its socket is there, 'ended', or ''.
function process() {
	const main = ubus()?.call('service', 'list', { name: 'latchkey' })?.latchkey?.instances?.main;

	return main ? (main.running ? 'running' : 'ended') : '';
}

// memory returns how many bytes of memory the daemon takes up. The kernel knows who listens: procd knows the
// number of its jail only.
function memory() {
	const s = connect({ path: SOCKET }, null, null, PATIENCE);
	const found = match(readfile(`/proc/${s?.peercred()?.pid}/status`) ?? '', /VmRSS:[ \t]*([0-9]+) kB/);

	s?.close();

	return found ? found[1] * 1024 : null;
}

// wanted returns what latchkeyd firewall says of this router, by its words: { interface: [ 'wan' ], outside: [ 'wan' ] };
// {} if it cannot tell.
function wanted() {
	const found = {};
	const p = popen(`/usr/bin/latchkeyd firewall ${CONFIG}/latchkey ${CONFIG}/firewall 2>/dev/null`);

	for (let line in split(p?.read('all') ?? '', '\n')) {
		const m = match(line, /^([a-z]+) (.+)$/);

		if (m)
			push(found[m[1]] ??= [], m[2]);
	}
	p?.close();

	return found;
}

function status() {
	const s = ask({ method: 'status' });

	if (s.running == null)
		return s;
	if (s.running)
		return { ...s, problem: s.problem || problem(), memory: memory() };

	return {
		running: false,
		enabled: cursor(CONFIG).get('latchkey', 'main', 'enabled') in ON,
		process: process(),
		reason: problem(),
		devices: [], doors: [], clients: []
	};
}

// run gives text to a command of latchkeyd, and returns what it prints.
function run(command, text) {
	unlink(SCRATCH);

	const f = open(SCRATCH, 'wx', 0o600);

	if (!f)
		return null;
	f.write(text);
	f.close();

	const p = popen(`/usr/bin/latchkeyd ${command} ${SCRATCH} 2>&1`);
	const out = p?.read('all');
	const code = p?.close();

	unlink(SCRATCH);

	return { out: out ?? '', code };
}

// checkOffline reads the lines of latchkeyd check, for when the daemon does not run.
function checkOffline(text) {
	const problems = [];

	for (let line in split(run('check', text)?.out ?? '', '\n')) {
		const m = match(line, /^(error|warning): (.*)$/);

		if (!m)
			continue;

		const at = match(m[2], /^section '[^']*' \(([^)]*)\)/);
		const option = match(m[2], /option '([^']*)'/);
		const n = match(m[2], /\(line ([0-9]+)\)$/);

		push(problems, { text: m[2], line: n ? +n[1] : 0, section: at?.[1] ?? '', option: option?.[1] ?? '', warning: m[1] == 'warning' });
	}

	return problems;
}

// staged returns the configuration with what was changed by this login, or on the command line, and
// is not in force yet.
function staged(session) {
	const changes = matches(session, /^[0-9a-f]{32}$/) ? `-P /var/run/rpcd/uci-${session}` : '';

	return popen(`/sbin/uci -c ${CONFIG} ${changes} export latchkey`)?.read('all') ?? '';
}

function check(args) {
	const text = args.text || staged(args.ubus_rpc_session ?? '');
	const answer = ask({ method: 'check', text });

	return { problems: type(answer) == 'array' ? answer : checkOffline(text) };
}

// translate tells what a configuration of another port knocker is in ours. Code 3 of latchkeyd import says
// that nothing in it can be used as it is: then the comments are what there is to show.
function translate(text) {
	const r = run('import', text);

	if (r?.code === 0 || r?.code === 3)
		return { config: replace(r.out, /(^|\n)latchkeyd: [^\n]*/g, '') };

	return { error: trim(r?.out ?? '') || 'latchkeyd import failed', hint: 'give the text of a knockd.conf, or of a configuration of fwknop' };
}

// list returns an option's values, however it was written.
function list(value) {
	return filter(split(type(value) == 'array' ? join(' ', value) : value ?? '', /[ \t]+/), w => length(w));
}

function dump() {
	return ubus()?.call('network.interface', 'dump')?.interface ?? [];
}

// addresses returns those of the interfaces that knocks come in at, and of others on the same devices: PPPoE makes
// its interface for IPv6 by itself.
function addresses(names) {
	const found = [], all = dump();
	const devices = map(filter(all, i => i.interface in names && i.l3_device), i => i.l3_device);

	for (let i in all)
		if (i.interface in names || i.l3_device in devices)
			for (let a in [ ...(i['ipv4-address'] ?? []), ...(i['ipv6-address'] ?? []) ])
				push(found, a.address);

	return found;
}

// names returns what services of dynamic DNS keep for this router: a name; some have an account there, or a URL.
function names(uci) {
	const found = [];

	uci.foreach('ddns', 'service', s => {
		if (s.enabled == '1' && iptoarr(s.lookup_host ?? '') == null)
			push(found, s.lookup_host);
	});

	return found;
}

// knockPage returns the URL of the page that this router serves to its LAN.
function knockPage() {
	for (let i in dump())
		if (i.interface == 'lan' && i['ipv4-address']?.[0])
			return `http://${i['ipv4-address'][0].address}/latchkey/`;

	return '';
}

// sectionText is what uci.commit writes for a section.
function sectionText(kind, name, options) {
	const lines = [ `\nconfig ${kind} '${name}'` ];

	for (let option, value in options)
		for (let v in (type(value) == 'array' ? value : [ value ]))
			if (length(v))
				push(lines, `\t${type(value) == 'array' ? 'list' : 'option'} ${option} '${replace(v, /'/g, `'\\''`)}'`);

	return join('\n', lines) + '\n';
}

// link makes a client's link, a secret, by latchkeyd. What this router's other configurations and interfaces know
// goes with the configuration, as options of its section main, unless the owner wrote it. args may say where its own
// page is found.
function link(args) {
	const uci = cursor(CONFIG);
	const found = {
		found_host: [ ...names(uci), ...addresses(wanted().interface ?? []) ],
		found_name: uci.get('latchkey', 'main', 'name') ? '' : uci.get('system', uci.get_first('system', 'system') ?? '', 'hostname'),
		found_page: uci.get('latchkey', 'main', 'page') ? '' : args.page || knockPage()
	};

	if (!matches(args.client, WORD))
		return { error: `no client '${args.client}'`, hint: 'ubus call latchkey newclient makes one' };

	const r = run(`link ${args.app ? '--app' : ''} ${args.client}`, readfile(`${CONFIG}/latchkey`) + sectionText('latchkey', 'main', found));
	const lines = split(trim(r?.out ?? ''), '\n');

	if (r?.code !== 0)
		return { error: replace(lines[0], /^latchkeyd: error: /, '') || 'latchkeyd link failed', hint: 'latchkeyd check tells what is wrong with the configuration' };

	return {
		link: pop(lines),
		warnings: map(map(lines, l => match(l, /^(warning|useless): ([a-z-]+): (.*)$/)), m => ({ word: m?.[2], text: m?.[3], useless: m?.[1] == 'useless' }))
	};
}

// offer lets a client's link be picked up once, at this router's own page, by the address that it returns. The
// link goes through a file of root's; what stays is sealed, see SPEC.md, section 5.
function offer(args) {
	const made = link(args);
	const useless = filter(made.warnings ?? [], w => w.useless);
	const page = args.page || knockPage();

	if (made.error)
		return made;
	if (length(useless))
		return { error: useless[0].text, hint: 'no device could use the link', warnings: useless };
	if (!matches(page, /^https?:\/\/[^ #]+$/))
		return { error: 'this router has no page to pick the link up at', hint: 'name one: page' };

	const r = run(`offer --folder ${OFFERS} ${args.client}`, made.link);
	const m = match(r?.out ?? '', /^([A-Za-z0-9_-]{22}) ([0-9]+)\n$/);

	if (r?.code !== 0 || !m)
		return { error: trim(r?.out ?? '') || 'latchkeyd offer failed', hint: 'upgrade the package latchkey' };

	return { address: `${page}#${m[1]}`, minutes: +m[2], warnings: made.warnings };
}

// pickup hands out what is offered under a name, once, to anybody: only a client's code opens it. For a
// name that was never given no program runs.
function pickup(args) {
	const name = args.name ?? '';
	const p = matches(name, /^[0-9a-f]{32}$/) && stat(`${OFFERS}/${name}`)
		? popen(`/usr/bin/latchkeyd pickup --folder ${OFFERS} ${name} 2>/dev/null`) : null;
	const answer = trim(p?.read('all') ?? '');

	p?.close();

	return length(answer) ? { answer } : { error: 'nothing is offered under this name', hint: 'let the router show a new code' };
}

// newclient makes a client with a key of its own, puts it in force, and returns its link.
function newclient(args) {
	const uci = cursor(CONFIG);

	if (!matches(args.name, WORD))
		return { error: `name '${args.name}' has other characters than letters, digits and _`, hint: 'the title can be any text' };
	if (uci.get('latchkey', args.name))
		return { error: `there is a section '${args.name}' already`, hint: 'choose another name' };

	const options = { key: b64enc(open('/dev/urandom')?.read(32)) };

	for (let option, value in { title: args.title, expires: args.expires, door: list(args.door) })
		if (length(value))
			options[option] = value;

	const text = staged('') + sectionText('client', args.name, options);
	const errors = filter(check({ text }).problems, p => !p.warning);

	if (length(errors)) // as good as not started at the next boot
		return { error: `the configuration would be refused: ${errors[0].text}`, hint: 'nothing was changed' };

	const failed = change(CONFIG, 'latchkey', uci => {
		let done = uci.set('latchkey', args.name, 'client');

		for (let option, value in options)
			done &&= uci.set('latchkey', args.name, option, value);

		return done;
	}, SAVED);

	if (failed)
		return failed;

	return link({ client: args.name, page: args.page });
}

// silentValue returns what makes an option of the firewall answer no stranger; null if there is no
// such value, or the section is not about strangers.
function silentValue(s, option) {
	const zones = wanted().outside ?? [ 'wan' ];
	const kind = s?.['.type'];

	if (kind == 'defaults')
		return option == 'forward' ? 'DROP' : null;
	if (kind == 'zone')
		return s.name in zones && option in [ 'input', 'forward' ] ? 'DROP' : null;
	if (!(kind in [ 'rule', 'redirect' ]) || !(s.src == '*' || s.src in zones))
		return null;
	if (option == 'enabled')
		return '0';
	if (kind == 'rule' && option == 'target')
		return uc(s.target ?? '') == 'REJECT' ? 'DROP' : null;
	if (kind == 'rule' && option == 'icmp_type') {
		const rest = filter(list(s.icmp_type), t => !(t in PINGS));

		return length(rest) ? rest : null;
	}

	return null;
}

// writeFirewall sets an option of the firewall, or removes it. It returns null or { error, hint }.
function writeFirewall(section, option, value) {
	return change(CONFIG, 'firewall', uci => value == null ? uci.delete('firewall', section, option) : uci.set('firewall', section, option, value));
}

let undo = null; // the change that nobody confirmed yet

// silence makes one option of the firewall silent, and takes that back unless keep is called in time:
// who lost his connection by it cannot.
function silence(args) {
	const uci = inForce(CONFIG, 'firewall');
	const s = uci?.get_all('firewall', args.section || '-');
	const value = s ? silentValue(s, args.option) : null;

	if (value == null)
		return { error: `option '${args.option}' of section '${args.section}' of the firewall is not one that answers strangers`, hint: 'change it at Network > Firewall' };
	if (undo)
		return { error: 'another change waits to be confirmed', hint: 'try again in half a minute' };

	const before = s[args.option];

	const failed = writeFirewall(args.section, args.option, value);

	if (failed)
		return failed;
	undo = timer(UNDO, () => {
		// Whoever removed the section meanwhile leaves nothing to take back. What cannot be written is tried again.
		if (inForce(CONFIG, 'firewall')?.get('firewall', args.section) && writeFirewall(args.section, args.option, before))
			undo.set(UNDO);
		else
			undo = null;
	});

	return { seconds: UNDO / 1000 };
}

function keep() {
	const kept = undo != null;

	undo?.cancel();
	undo = null;

	return { kept };
}

return {
	latchkey: {
		// What these three tell is for every account that may see Latchkey: no secrets.
		status: { call: status },
		events: {
			args: { since: 0 },
			call: req => wrapped('events', ask({ method: 'events', since: req.args.since ?? 0 }))
		},
		radar: { call: () => ask({ method: 'radar' }) },

		open: {
			args: { door: '', address: '', for: '' },
			call: req => ask({ method: 'open', door: req.args.door, address: req.args.address, for: req.args.for })
		},
		close: {
			args: { door: '', address: '', cut: false },
			call: req => wrapped('closed', ask({ method: 'close', door: req.args.door, address: req.args.address, cut: !!req.args.cut }))
		},
		forget: {
			args: { client: '' },
			call: req => ask({ method: 'forget', client: req.args.client })
		},
		silence: { args: { section: '', option: '' }, call: req => silence(req.args) },
		keep: { call: keep },
		restart: { call: () => ({ result: system([ '/etc/init.d/latchkey', 'restart' ]) == 0 }) },
		check: { args: { text: '' }, call: req => check(req.args) },
		import: { args: { text: '' }, call: req => translate(req.args.text ?? '') },
		link: { args: { client: '', page: '', app: false }, call: req => link(req.args) },
		offer: { args: { client: '', page: '' }, call: req => offer(req.args) },
		newclient: {
			args: { name: '', title: '', door: [], expires: '', page: '' },
			call: req => newclient(req.args)
		},

		// The one method that is open to everybody in the LAN, by luci-app-latchkey's second list.
		pickup: { args: { name: '' }, call: req => pickup(req.args) }
	}
};
