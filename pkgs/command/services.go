// SPDX-License-Identifier: Apache-2.0

package command

import (
	"strconv"
	"strings"
)

// services are the names of ports that firewall commands have in practice, with the protocols that
// Debian's /etc/services gives them (t, u). Behind the bar are those of firewalld only.
const services = " ftp-data 20t ftp 21t ssh 22t telnet 23t smtp 25t domain 53tu tftp 69u http 80t www 80t pop3 110t ntp 123u " +
	"imap2 143t imap 143t snmp 161u ldap 389tu https 443tu microsoft-ds 445tu submissions 465t ssmtp 465t isakmp 500u syslog 514u " +
	"rtsp 554tu submission 587t ldaps 636tu ftps 990t imaps 993t pop3s 995t openvpn 1194tu ms-sql-s 1433t l2f 1701u pptp 1723t " +
	"radius 1812tu nfs 2049tu mysql 3306t ipsec-nat-t 4500u sip 5060tu xmpp-client 5222t postgresql 5432t amqp 5672tu x11 6000t " +
	"ircd 6667t redis 6379t git 9418t http-alt 8080tu rsync 873t | dns 53tu wireguard 51820u rdp 3389t cockpit 9090t "

// service finds a port by its name. protos is "t", "u" or "tu"; port is 0 if the name is not known.
func service(name string, firewalld bool) (port uint16, protos string) {
	table := services
	if !firewalld {
		table, _, _ = strings.Cut(services, "|")
	}
	if !among(table, name) || name == "|" || isNumber(name[:1]) {
		return 0, ""
	}
	_, rest, _ := strings.Cut(table, " "+name+" ")
	word, _, _ := strings.Cut(rest, " ")
	digits := strings.TrimRight(word, "tu")
	n, _ := strconv.ParseUint(digits, 10, 16)
	return uint16(n), word[len(digits):]
}
