"""What developers run: generators and checks. No part of the product imports it."""
