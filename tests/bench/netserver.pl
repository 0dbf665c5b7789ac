#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# netserver.pl PORT WORKERS BACKLOG: echo by Net::Server::PreFork, with a fixed number of workers.
package Echo;
use strict;
use warnings;
use base qw(Net::Server::PreFork);

sub process_request {
    my $client = $_[0]{server}{client};
    my ($buffer, $n);

    while ($n = sysread $client, $buffer, 65536) {
        for (my $at = 0; $at < $n;) {
            $at += syswrite($client, $buffer, $n - $at, $at) // return;
        }
    }
}

my ($port, $workers, $backlog) = @ARGV;
Echo->run(
    host => '127.0.0.1', port => $port, ipv => 4, proto => 'tcp', listen => $backlog,
    min_servers => $workers, max_servers => $workers, min_spare_servers => $workers - 1,
    max_spare_servers => $workers - 1, max_requests => 1_000_000_000, log_level => 0,
);
